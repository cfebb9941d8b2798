//! Connections through an HTTP proxy: `ws` and `wss`, and proxies that refuse, lie or are silent.

use std::io;
use std::sync::Arc;
use tightwire_tokio::tightwire::handshake::HandshakeError;
use tightwire_tokio::tightwire::handshake::client::AnswerError;
use tightwire_tokio::tokio_rustls::TlsAcceptor;
use tightwire_tokio::tokio_rustls::rustls::crypto::ring;
use tightwire_tokio::tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tightwire_tokio::tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tightwire_tokio::{
    CloseCode, Config, ConnectError, Connector, Listener, OpenError, OriginPolicy, Proxy, ProxyError, Tcp,
    WebSocket, accept,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

async fn head(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets).unwrap()
}

/// A proxy for one connection; gives the request that it was asked.
fn proxy() -> (u16, JoinHandle<String>) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let request = head(&mut client).await;
        let target = request.split(' ').nth(1).unwrap().to_owned();
        let mut server = TcpStream::connect(target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        request
    });
    (port, asked)
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocket<S>) {
    while let Some((message, mut sender)) = socket.recv_with_sender().await.unwrap() {
        sender.feed(message).await.unwrap();
    }
}

async fn talk(connector: Connector, uri: &str) {
    let (mut socket, _) = connector.connect(uri).await.unwrap();
    socket.send("hello").await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap().as_str(), Some("hello"));
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}

// RFC 9110 9.3.6, RFC 7617 2
#[tokio::test]
async fn a_connection_goes_through_the_tunnel() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        echo(accept(stream, &OriginPolicy::SameHost).await.unwrap()).await;
    });
    let (port, asked) = proxy();
    let proxy = Proxy::parse(&format!("http://Aladdin:open%20sesame@127.0.0.1:{port}")).unwrap();
    talk(Connector::new().with_proxy(proxy), &format!("ws://{server}/chat")).await;
    let expected = format!(
        "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    assert_eq!(asked.await.unwrap(), expected);
}

#[tokio::test]
async fn tls_goes_through_the_tunnel() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config =
        config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();

    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        echo(accept(stream, &OriginPolicy::SameHost).await.unwrap()).await;
    });
    let (port, asked) = proxy();
    let connector = Connector::new()
        .with_dialer(Tcp::new().with_tls(Arc::new(client)))
        .with_proxy(Proxy::parse(&format!("127.0.0.1:{port}")).unwrap());
    talk(connector, &format!("wss://localhost:{server}/")).await;
    let expected = format!("CONNECT localhost:{server} HTTP/1.1\r\nHost: localhost:{server}\r\n\r\n");
    assert_eq!(asked.await.unwrap(), expected);
}

/// What the connector makes of a proxy that answers this and then ends, or not.
async fn refused(answer: &'static [u8], ends: bool) -> ConnectError {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        head(&mut client).await;
        let _ = client.write_all(answer).await;
        if !ends {
            std::future::pending::<()>().await;
        }
    });
    let mut config = Config::default();
    config.timeouts.handshake = Some(if ends { 100 } else { 3 });
    let connector = Connector::new()
        .with_config(Arc::new(config))
        .with_proxy(Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap());
    let error = connector.connect("ws://server.example/").await.unwrap_err();
    proxy.abort();
    error
}

#[tokio::test]
async fn what_a_proxy_does_wrong_is_told_apart() {
    let proxied = async |answer: &'static [u8]| match refused(answer, true).await {
        ConnectError::Proxy(error) => error,
        other => panic!("{other:?}"),
    };
    let error = proxied(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(error, ProxyError::Status(407));
    assert_eq!(proxied(b"HTTP/1.0 502 \r\n\r\n").await, ProxyError::Status(502));
    let error = proxied(b"HTTP/1.1 200 OK\r\n\r\nearly").await;
    assert_eq!(error, ProxyError::Early);
    let error = proxied(b"SOCKS\0\r\n\r\n").await;
    assert!(matches!(error, ProxyError::Answer(AnswerError::Head(_))), "{error:?}");
    let endless: &'static [u8] = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'a'; 1 << 16]].concat().leak();
    assert_eq!(proxied(endless).await, ProxyError::Answer(AnswerError::Head(HandshakeError::HeadTooLarge)));

    let error = refused(b"HTTP/1.1 200 O", true).await;
    assert!(
        matches!(&error, ConnectError::Dial(error) if error.kind() == io::ErrorKind::UnexpectedEof),
        "{error:?}"
    );
    let error = refused(b"HTTP/1.1 200 O", false).await;
    assert!(matches!(error, ConnectError::Open(OpenError::Timeout)), "{error:?}");
}
