//! Messages as `AsyncRead` and `AsyncWrite` of tokio.

use std::io::ErrorKind;
use std::sync::Arc;
use tightwire_tokio::{ClientSocket, Config, Connector, Kind, Limits, OriginPolicy, WebSocket, accept_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex};

async fn connected() -> (WebSocket<DuplexStream>, ClientSocket<DuplexStream>) {
    let (near, far) = duplex(1000);
    let config = Arc::new(Config::default().with_limits(Limits::UNLIMITED));
    let connector = Connector::new().with_config(config.clone());
    let accepting = accept_with(near, config, &OriginPolicy::Any, |_| tightwire_tokio::Answer::accept());
    let opening = connector.open(tightwire_tokio::Io(far), "ws://localhost/");
    let (accepted, opened) = tokio::join!(accepting, opening);
    (accepted.unwrap(), opened.unwrap().0)
}

#[tokio::test]
async fn a_message_is_copied_from_one_connection_to_the_other() {
    let (server, client) = connected().await;
    let payload: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let expected = payload.clone();
    let (mut far_reader, mut far_writer) = client.split();
    tokio::spawn(async move {
        let mut writer = far_writer.writer(Kind::Binary).unwrap();
        writer.write_all(&payload).await.unwrap();
        writer.finish().await.unwrap();
    });
    let receiving = tokio::spawn(async move { far_reader.recv().await.unwrap().unwrap().octets().to_vec() });
    let (mut reader, mut writer) = server.split();
    let mut incoming = reader.recv_reader().await.unwrap().unwrap();
    assert_eq!(incoming.kind(), Kind::Binary);
    let mut outgoing = writer.writer(Kind::Binary).unwrap();
    assert_eq!(copy(&mut incoming, &mut outgoing).await.unwrap(), 1_000_000);
    assert_eq!(incoming.read(&mut [0; 10]).await.unwrap(), 0);
    // Through the trait: `AsyncWrite::shutdown` ends the message.
    outgoing.shutdown().await.unwrap();
    assert_eq!(receiving.await.unwrap(), expected);
}

#[tokio::test]
async fn a_finished_writer_takes_no_more() {
    let (mut server, mut client) = connected().await;
    let mut writer = server.writer(Kind::Text).unwrap();
    AsyncWriteExt::write_all(&mut writer, b"whole").await.unwrap();
    writer.shutdown().await.unwrap();
    writer.shutdown().await.unwrap();
    let error = AsyncWriteExt::write_all(&mut writer, b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    drop(writer);
    server.send("next").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("whole".into()));
    assert_eq!(client.recv().await.unwrap(), Some("next".into()));
}

#[tokio::test]
async fn errors_have_a_kind() {
    let (mut server, mut client) = connected().await;
    let mut writer = server.writer(Kind::Text).unwrap();
    let error = AsyncWriteExt::write_all(&mut writer, b"\xFF").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    AsyncWriteExt::write_all(&mut writer, b"part").await.unwrap();
    AsyncWriteExt::flush(&mut writer).await.unwrap();
    drop(writer);
    let peer = tokio::spawn(async move { while let Ok(Some(_)) = server.recv().await {} });
    let mut reader = client.recv_reader().await.unwrap().unwrap();
    let mut text = String::new();
    // A message that was abandoned has no end.
    let error = reader.read_to_string(&mut text).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    drop(reader);
    assert_eq!(client.closed().unwrap().code.number(), 1011);
    drop(client);
    peer.await.unwrap();
}
