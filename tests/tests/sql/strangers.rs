//! Ways of `MariaDB` to ask for a password that Debian's server does not have: a server that speaks no
//! more than a greeting asks for them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rolog_plugin::prelude::*;
use serde_json::json;

use crate::common::start;

const SALT: &[u8; 32] = b"01234567890123456789012345678901";

fn send(stream: &mut TcpStream, number: u8, payload: &[u8]) {
    let length = (payload.len() as u32).to_le_bytes();
    let packet = [&length[..3], &[number], payload].concat();
    stream.write_all(&packet).unwrap();
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

/// Greets, asks for another way of proving who one is, and refuses what comes; gives that.
fn refuse(listener: &TcpListener, way: &str, nonce: &[u8], more: Option<&[u8]>) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut greeting = vec![10];
    greeting.extend_from_slice(b"11.8.2-MariaDB\0");
    greeting.extend_from_slice(&7_u32.to_le_bytes());
    greeting.extend_from_slice(&SALT[..8]);
    // Protocol 4.1, secure connections, authentication by plugins.
    greeting.extend_from_slice(&[0, 0x00, 0x82, 45, 2, 0, 0x08, 0x00, 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(&SALT[8..20]);
    greeting.extend_from_slice(b"\0mysql_native_password\0");
    send(&mut stream, 0, &greeting);
    receive(&mut stream);
    let mut switch = vec![0xfe];
    switch.extend_from_slice(way.as_bytes());
    switch.push(0);
    switch.extend_from_slice(nonce);
    send(&mut stream, 2, &switch);
    let mut proof = receive(&mut stream);
    let mut number = 4;
    if let Some(more) = more {
        assert!(proof.is_empty(), "{proof:?}");
        send(&mut stream, number, more);
        proof = receive(&mut stream);
        number += 2;
    }
    let refusal = b"\xff\x15\x04#28000Access denied for user 'u'";
    send(&mut stream, number, refusal);
    proof
}

#[tokio::test]
async fn ed25519_and_parsec_are_answered_and_another_way_is_told() {
    // 2^10 rounds for the key, and a salt of 18 bytes.
    let parsec = [&b"P\x00"[..], &SALT[..18]].concat();
    for (way, more, length) in [
        ("client_ed25519", None, 64),
        ("parsec", Some(parsec), 96),
        ("dialog", None, 0),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || refuse(&listener, way, SALT, more.as_deref()));
        let url = format!("mysql://u@127.0.0.1:{port}/test");
        let config = json!({ "url": url, "password": "S3cr3t", "tls": { "mode": "off" } });
        let failure = start(config).await.err().unwrap();
        assert_eq!(failure.class, Class::Auth, "{failure}");
        assert!(!failure.message.contains("S3cr3t"), "{failure}");
        if length == 0 {
            assert!(failure.message.contains("`dialog`"), "{failure}");
            assert!(
                failure.message.contains("caching_sha2_password"),
                "{failure}"
            );
        } else {
            assert!(failure.message.contains("Access denied"), "{failure}");
            assert_eq!(server.join().unwrap().len(), length, "{way}");
        }
    }
}
