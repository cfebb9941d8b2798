//! TLS in both roles: `wss` by the connector, and servers over a TLS stream.

use std::io;
use std::sync::Arc;
use tightwire_tokio::tokio_rustls::rustls::crypto::ring;
use tightwire_tokio::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tightwire_tokio::tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, ProtocolVersion, RootCertStore, ServerConfig,
};
use tightwire_tokio::tokio_rustls::{TlsAcceptor, TlsConnector, server::TlsStream};
use tightwire_tokio::{
    ClientSocket, CloseCode, Config, ConnectError, Connector, Dial, Error, Io, Listener, OpenError,
    OriginPolicy, Stream, Tcp, WebSocket, accept,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A certificate for these names that nobody but its owner vouches for, and the configurations of both sides.
fn configs(names: &[&str]) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// Runs `serve` on the one connection that is made to this port.
fn served<X: Send + 'static, F: Future<Output = X> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (u16, JoinHandle<X>) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await }))
}

type ServerSocket = WebSocket<TlsStream<TcpStream>>;

async fn accepted(stream: TcpStream, config: Arc<ServerConfig>) -> ServerSocket {
    let stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
    accept(stream, &OriginPolicy::SameHost).await.unwrap()
}

async fn echo(socket: &mut ServerSocket) -> Result<(), Error> {
    while let Some((message, mut sender)) = socket.recv_with_sender().await? {
        sender.feed(message).await?;
    }
    Ok(())
}

fn trusting(config: Arc<ClientConfig>) -> Connector {
    Connector::new().with_dialer(Tcp::new().with_tls(config))
}

#[tokio::test]
async fn a_secure_connection_echoes_and_ends_in_good_order() {
    let (server, client) = configs(&["localhost", "127.0.0.1"]);
    // RFC 9110 4.3.4: a certificate is for names or for addresses
    for host in ["localhost", "127.0.0.1"] {
        let config = server.clone();
        let (port, ended) = served(async |stream| {
            let mut socket = accepted(stream, config).await;
            echo(&mut socket).await.map(|()| socket.get_ref().0.get_ref().1.server_name().map(str::to_owned))
        });
        let mut client = (*client).clone();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let uri = format!("wss://{host}:{port}/chat");
        let (mut socket, _) = trusting(Arc::new(client)).connect(&uri).await.unwrap();
        let tls = socket.get_ref().0.tls().unwrap();
        assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(socket.get_ref().0.tcp().peer_addr().unwrap().port(), port);
        for octets in [0, 1, 125, 5000, 16_384, 70_000, 1 << 20] {
            let payload: Vec<u8> = (0..octets).map(|at| (at * 13 % 241) as u8).collect();
            socket.send(&*payload).await.unwrap();
            assert!(socket.recv().await.unwrap().unwrap().octets() == payload, "{octets}");
        }
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(socket.closed().unwrap().code, CloseCode::NORMAL);
        // RFC 6066 3: names are sent along, addresses are not
        let named = ended.await.unwrap().unwrap();
        assert_eq!(named.as_deref(), (host == "localhost").then_some("localhost"));
    }
}

async fn refused(names: &'static [&'static str], connector: Option<Connector>) -> ConnectError {
    let (server, client) = configs(names);
    let (port, _) = served(async |stream| drop(TlsAcceptor::from(server).accept(stream).await));
    let connector = connector.unwrap_or_else(|| trusting(client));
    connector.connect(&format!("wss://localhost:{port}")).await.unwrap_err()
}

#[track_caller]
fn certificate_error(error: ConnectError) -> CertificateError {
    let ConnectError::Certificate(error) = error else { panic!("{error:?}") };
    match error.get_ref().unwrap().downcast_ref() {
        Some(rustls::Error::InvalidCertificate(error)) => error.clone(),
        _ => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_from_other_faults() {
    // Nobody in the default roots vouches for it.
    let error = certificate_error(refused(&["localhost"], Some(Connector::new())).await);
    assert_eq!(error, CertificateError::UnknownIssuer);
    // It is for somebody else.
    let error = certificate_error(refused(&["other.example"], None).await);
    assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_tls_is_an_error_of_tls() {
    let (_, client) = configs(&["localhost"]);
    // A server without TLS, and one that goes away.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let (port, _) = served(async move |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
        });
        let error = trusting(client.clone()).connect(&format!("wss://localhost:{port}")).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    }
    // A host that cannot be the name in a certificate is refused, too.
    let (port, _) = served(async |_| ());
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let error = Tcp::new().secure(Io(tcp.into()), "a_b..").await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Tls(error) if error.kind() == io::ErrorKind::InvalidInput),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_at_the_deadline_of_the_handshake() {
    let (server, client) = configs(&["localhost"]);
    let mut config = Config::default();
    config.timeouts.handshake = Some(4);
    let config = Arc::new(config);
    // Silent in the handshake of TLS, or in that of WebSocket.
    for tls in [false, true] {
        let server = server.clone();
        let (port, silent) = served(async move |stream: TcpStream| {
            if !tls {
                std::future::pending::<()>().await;
            }
            let stream = TlsAcceptor::from(server).accept(stream).await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        });
        let connector = trusting(client.clone()).with_config(config.clone());
        let error = connector.connect(&format!("wss://localhost:{port}")).await.unwrap_err();
        assert!(matches!(error, ConnectError::Open(OpenError::Timeout)), "{error:?}");
        silent.abort();
    }
}

// RFC 8446 6.1: close_notify comes before the end of the stream
#[tokio::test]
async fn the_end_is_announced_by_close_notify() {
    let (server, client) = configs(&["localhost"]);
    let (port, ended) = served(async |stream| echo(&mut accepted(stream, server).await).await);
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut tls = TlsConnector::from(client).connect(name, stream).await.unwrap();
    let (mut socket, _) = Connector::new().open(Io(&mut tls), "wss://localhost/").await.unwrap();
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    ended.await.unwrap().unwrap();
    // rustls gives an end without close_notify as an error.
    assert_eq!(tls.read(&mut [0; 16]).await.unwrap(), 0);
}

/// What the client makes of a server that writes `octets` behind its handshake, and ends TCP alone.
async fn cut_off(octets: &'static [u8]) -> (ClientSocket, Result<(), Error>) {
    let (server, client) = configs(&["localhost"]);
    let (port, _) = served(async move |stream| {
        let mut tls = TlsAcceptor::from(server).accept(stream).await.unwrap();
        drop(accept(&mut tls, &OriginPolicy::SameHost).await.unwrap());
        tls.write_all(octets).await.unwrap();
        tls.flush().await.unwrap();
        let (tcp, _) = tls.get_mut();
        tcp.shutdown().await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let (mut socket, _) = trusting(client).connect(&format!("wss://localhost:{port}")).await.unwrap();
    let ended = socket.recv().await.map(|message| assert!(message.is_none()));
    (socket, ended)
}

// RFC 8446 6.1: without close_notify the stream may have been cut off by anybody
#[tokio::test]
async fn an_end_without_close_notify_is_abnormal_unless_a_close_frame_came() {
    let error = cut_off(b"").await.1.unwrap_err();
    assert!(
        matches!(&error, Error::Transport(error) if error.kind() == io::ErrorKind::UnexpectedEof),
        "{error:?}"
    );
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));

    // After the Close frame nothing can be missing.
    let (socket, ended) = cut_off(&[0x88, 2, 0x03, 0xE8]).await;
    ended.unwrap();
    assert_eq!(socket.closed().unwrap().code, CloseCode::NORMAL);
}

#[test]
fn streams_are_small() {
    assert!(size_of::<Stream>() <= size_of::<TcpStream>() + 8);
}
