//! How a row gets to the server: straight, or by a reverse proxy.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Straight,
    ByProxy,
}

/// A reverse proxy as simple as they come: it adds the client's address to `X-Forwarded-For`, what else a client says
/// it hands on as it came, byte by byte, and a connection is good for one request. So what is ambiguous in a request
/// the server has to see.
pub struct Proxy {
    listener: TcpListener,
    address: SocketAddr,
}

impl Proxy {
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Hands on to the server at this URL, as long as the test's runtime lives.
    pub fn serve(self, url: &str) {
        let server: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        tokio::spawn(async move {
            while let Ok((client, address)) = self.listener.accept().await {
                tokio::spawn(hand_on(client, address, server));
            }
        });
    }
}

async fn hand_on(mut client: TcpStream, address: SocketAddr, server: SocketAddr) {
    let Ok(mut behind) = TcpStream::connect(server).await else { return };
    let Some((head, rest)) = head(&mut client).await else { return };
    let mut head = if head.is_empty() { head } else { with_address(&head, address) };
    head.extend_from_slice(&rest);
    // Whoever hangs up has its reasons.
    if behind.write_all(&head).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut behind).await;
    }
}

/// How long a head may take: what has not come to its end by then is the server's to judge.
const PATIENCE: Duration = Duration::from_millis(500);

/// A request's head, and what came after it; `None` if the client hung up first.
async fn head(client: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut read, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 2);
            return Some((read, rest));
        }
        let more = client.read(&mut buffer);
        // Who has not begun may be slow.
        let more = if read.is_empty() { Ok(more.await) } else { tokio::time::timeout(PATIENCE, more).await };
        let length = more.unwrap_or(Ok(0)).ok()?;
        if length == 0 {
            return Some((Vec::new(), read));
        }
        read.extend_from_slice(&buffer[..length]);
    }
}

/// The head with what this proxy has to say.
fn with_address(head: &[u8], address: SocketAddr) -> Vec<u8> {
    let (mut told, mut lines) = (Vec::new(), Vec::new());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix(b"x-forwarded-for:") {
            told.push(String::from_utf8_lossy(value).trim().to_owned());
        } else if !lower.starts_with(b"connection:") {
            lines.extend_from_slice(line);
        }
    }
    told.push(address.ip().to_string());
    lines.extend_from_slice(
        format!("x-forwarded-for: {}\r\nconnection: close\r\n", told.join(", ")).as_bytes(),
    );
    lines
}
