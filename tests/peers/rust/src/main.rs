// SPDX-License-Identifier: Apache-2.0

//! An Oblivious HTTP peer that isn't Cloister's: both roles over the crates `ohttp` and `bhttp`, for tests.
//!
//!     peer client URL KEYS plain|chunked KEM AEAD API-KEY <request.json
//!     peer gateway KEM AEAD...
//!
//! The client takes the application/ohttp-keys list in hex, uses its key of that KEM, posts standard input as a chat request, and
//! prints the inner status, content type, and body. The gateway makes a key, prints {"port": N, "keys": HEX}, and answers
//! chunked chat requests with their own last message, word by word.
//!
//! The outer HTTP is the least that a test needs: one request a connection, lengths declared.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use bhttp::{Message, Mode, StatusCode};
use futures::executor::block_on;
use futures::io::{AllowStdIo, AsyncReadExt, AsyncWriteExt};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};
use serde_json::{json, Value};

const USAGE: &str =
    "usage: peer client URL KEYS plain|chunked KEM AEAD API-KEY | peer gateway KEM AEAD...";
const PLAIN: &str = "message/ohttp"; // with -req and -res
const CHUNKED: &str = "message/ohttp-chunked";
const PIECE: usize = 100; // bytes of an answer's chunk: cuts through everything

type Res<T> = Result<T, Box<dyn Error>>;

const KEMS: [(&str, Kem); 2] = [("x25519", Kem::X25519Sha256), ("x-wing", Kem::XWing)];
const AEADS: [(&str, Aead); 2] = [
    ("aes-128-gcm", Aead::Aes128Gcm),
    ("chacha20-poly1305", Aead::ChaCha20Poly1305),
];

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Res<T> {
    let found = table.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    found.ok_or_else(|| format!("unknown: {name}").into())
}

// ---- the outer HTTP ----

/// A head's first line, its content type, and the body.
fn read_http(stream: &TcpStream) -> Res<(String, String, Vec<u8>)> {
    let mut input = BufReader::new(stream);
    let (mut first, mut media, mut length) = (String::new(), String::new(), None);
    input.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => media = value.trim().into(),
            "content-length" => length = Some(value.trim().parse::<u64>()?),
            _ => {}
        }
    }
    let mut body = Vec::new();
    match length {
        Some(n) => input.take(n).read_to_end(&mut body)?,
        None => input.read_to_end(&mut body)?, // to the end of the connection
    };
    Ok((first.trim_end().into(), media, body))
}

/// Each write is one chunk of HTTP/1.1's.
struct Chunked(TcpStream);

impl Write for Chunked {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.is_empty() {
            return Ok(0); // a chunk without bytes would end the body
        }
        write!(self.0, "{:x}\r\n", part.len())?;
        self.0.write_all(part)?;
        self.0.write_all(b"\r\n")?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

// ---- client ----

/// The key of this KEM, narrowed to this AEAD: the crate itself takes the last key and its first suite.
fn choose(list: &[u8], kem: Kem, aead: Aead) -> Res<Vec<u8>> {
    let mut rest = list;
    while rest.len() >= 5 {
        let (entry, next) = rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        if entry[1..3] == u16::from(kem).to_be_bytes() {
            let mut config = entry[..3 + kem.n_pk()].to_vec();
            config.extend([0, 4]);
            config.extend(u16::from(Kdf::HkdfSha256).to_be_bytes());
            config.extend(u16::from(aead).to_be_bytes());
            return Ok(config);
        }
        rest = next;
    }
    Err("no such key is offered".into())
}

/// HTTP/1.0, so that the answer ends with its connection.
fn post(url: &str, media: &str, body: &[u8]) -> Res<Vec<u8>> {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|u| u.split_once('/'))
        .ok_or("http://HOST/PATH is wanted")?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {media}-req\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    let (status, answered, body) = read_http(&stream)?;
    if status.split(' ').nth(1) != Some("200") || answered != format!("{media}-res") {
        return Err(format!("{status}, {answered:?}").into());
    }
    Ok(body)
}

/// What is sealed has to be read while the stream that seals it still lives: it opens the answer.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exchange(config: &[u8], url: &str, chunked: bool, plain: &[u8]) -> Res<Vec<u8>> {
    let request = ClientRequest::from_encoded_config(config)?;
    if !chunked {
        let (sealed, response) = request.encapsulate(plain)?;
        return Ok(response.decapsulate(&post(url, PLAIN, &sealed)?)?);
    }
    let (sealed, mut opened) = (Shared::default(), Vec::new());
    let mut stream = request.encapsulate_stream(AllowStdIo::new(sealed.clone()))?;
    block_on(stream.write_all(plain))?;
    block_on(stream.close())?;
    let answer = post(url, CHUNKED, &sealed.0.borrow())?;
    block_on(stream.response(&answer[..])?.read_to_end(&mut opened))?;
    Ok(opened)
}

fn client(a: &[String]) -> Res<()> {
    let [url, list, form, kem, aead, key] = a else {
        return Err(USAGE.into());
    };
    let config = choose(
        &hex::decode(list)?,
        named(&KEMS, kem)?,
        named(&AEADS, aead)?,
    )?;
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;

    let mut request = Message::request(
        b"POST".into(),
        b"https".into(),
        b"".into(),
        b"/v1/chat/completions".into(),
    );
    request.put_header("content-type", "application/json");
    request.put_header("authorization", format!("Bearer {key}"));
    request.write_content(body);
    let chunked = form == "chunked";
    let mode = if chunked {
        Mode::IndeterminateLength
    } else {
        Mode::KnownLength
    };
    let mut plain = Vec::new();
    request.write_bhttp(mode, &mut plain)?;

    let answer = Message::read_bhttp(&mut Cursor::new(exchange(&config, url, chunked, &plain)?))?;
    let status = answer.control().status().ok_or("no status")?.code();
    let media = answer.header().get(b"content-type").unwrap_or_default();
    println!("{status}\n{}", String::from_utf8_lossy(media));
    io::stdout().write_all(answer.content())?;
    Ok(())
}

// ---- gateway ----

fn event(delta: Value, finish: Value) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let event = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
    format!("data: {event}\n\n")
}

/// Answers a chat request with its last message.
fn echo(request: &Message) -> Option<String> {
    let body: Value = serde_json::from_slice(request.content()).ok()?;
    let question = body["messages"].as_array()?.last()?["content"].as_str()?;
    if request.control().path()? != b"/v1/chat/completions" || body["stream"] != true {
        return None;
    }
    let mut answer = String::new();
    for word in format!("echo: {question}").split_inclusive(' ') {
        answer += &event(json!({ "content": word }), Value::Null);
    }
    Some(answer + &event(json!({}), "stop".into()) + "data: [DONE]\n\n")
}

fn answer(plain: &[u8]) -> Res<Vec<u8>> {
    let request = Message::read_bhttp(&mut Cursor::new(plain))?;
    let text = echo(&request);
    let mut response = Message::response(StatusCode::try_from(if text.is_some() {
        200u16
    } else {
        400
    })?);
    response.put_header("content-type", "text/event-stream");
    response.write_content(text.unwrap_or_default());
    let mut out = Vec::new();
    response.write_bhttp(Mode::IndeterminateLength, &mut out)?;
    Ok(out)
}

fn serve(server: Server, mut stream: TcpStream) -> Res<()> {
    let (_, media, body) = read_http(&stream)?;
    if media != format!("{CHUNKED}-req") {
        return Err(format!("unexpected: {media:?}").into());
    }
    let mut request = server.decapsulate_stream(&body[..]);
    let mut plain = Vec::new();
    block_on(request.read_to_end(&mut plain))?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {CHUNKED}-res\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = request.response(AllowStdIo::new(Chunked(stream.try_clone()?)))?;
    for part in answer(&plain)?.chunks(PIECE) {
        block_on(response.write_all(part))?;
        block_on(response.flush())?;
    }
    block_on(response.close())?;
    Ok(stream.write_all(b"0\r\n\r\n")?)
}

fn gateway(a: &[String]) -> Res<()> {
    let [kem, names @ ..] = a else {
        return Err(USAGE.into());
    };
    let mut suites = Vec::new();
    for name in names {
        suites.push(SymmetricSuite::new(Kdf::HkdfSha256, named(&AEADS, name)?));
    }
    let server = Server::new(KeyConfig::new(7, named(&KEMS, kem)?, suites)?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let keys = hex::encode(KeyConfig::encode_list(&[server.config()])?);
    println!(
        "{}",
        json!({"port": listener.local_addr()?.port(), "keys": keys})
    );
    for stream in listener.incoming() {
        if let Err(e) = serve(server.clone(), stream?) {
            eprintln!("peer: {e}"); // the connection ends without an answer
        }
    }
    Ok(())
}

fn main() -> Res<()> {
    let a: Vec<String> = std::env::args().skip(1).collect();
    match a.split_first() {
        Some((role, rest)) if role == "client" => client(rest),
        Some((role, rest)) if role == "gateway" => gateway(rest),
        _ => Err(USAGE.into()),
    }
}
