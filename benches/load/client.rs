//! A connection to a server: as little between the server and the clock as can be.

use anyhow::{Context as _, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::chains::{TOKEN, Token};

const BODY: &str = "grant_type=refresh_token&client_id=heirloom&refresh_token=";

/// One HTTP/1.1 connection.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    head: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What a successful refresh gave.
pub(crate) struct Refreshed {
    /// The successor.
    pub(crate) token: Token,
    body: std::ops::Range<usize>,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n",
            BODY.len() + TOKEN
        );
        Ok(Self {
            stream,
            address: address.to_owned(),
            head,
            request: Vec::with_capacity(4096),
            answer: Vec::with_capacity(4096),
        })
    }

    /// Presents a token, with a proof of its key if it is bound to one, and reads the whole answer.
    pub(crate) async fn refresh(&mut self, token: &Token, proof: Option<&str>) -> anyhow::Result<Refreshed> {
        let proof = proof.map_or([""; 3], |proof| ["DPoP: ", proof, "\r\n"]);
        self.request.clear();
        for part in [self.head.as_str()].into_iter().chain(proof).chain(["\r\n", BODY]) {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.request.extend_from_slice(token);
        let (status, body) = self.exchange().await?;
        let text = &self.answer[body.clone()];
        if status != 200 {
            bail!("status {status}: {}", String::from_utf8_lossy(text));
        }
        let token = member(text, b"\"refresh_token\":\"").context("no refresh_token in the answer")?;
        Ok(Refreshed { token: Token::try_from(token)?, body })
    }

    /// Asks for a place, with a header or none.
    pub(crate) async fn get(&mut self, place: &str, header: &str) -> anyhow::Result<Answer> {
        let line = if header.is_empty() { "" } else { "\r\n" };
        let request = format!("GET {place} HTTP/1.1\r\nHost: {}\r\n{header}{line}\r\n", self.address);
        self.ask(&request).await
    }

    /// Sends a form, with a header or none.
    pub(crate) async fn post(&mut self, place: &str, header: &str, form: &str) -> anyhow::Result<Answer> {
        let line = if header.is_empty() { "" } else { "\r\n" };
        let request = format!(
            "POST {place} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{header}{line}\r\n{form}",
            self.address,
            form.len()
        );
        self.ask(&request).await
    }

    async fn ask(&mut self, request: &str) -> anyhow::Result<Answer> {
        self.request.clear();
        self.request.extend_from_slice(request.as_bytes());
        let (status, body) = self.exchange().await?;
        let head = String::from_utf8_lossy(&self.answer[..body.start]).into_owned();
        Ok(Answer { status, head, body: self.answer[body].to_vec() })
    }

    /// Sends what is ready and reads the whole answer: its status, and where its body is.
    async fn exchange(&mut self) -> anyhow::Result<(u16, std::ops::Range<usize>)> {
        self.stream.write_all(&self.request).await.context("sending")?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await.context("reading")? == 0 {
                bail!("the server hung up after {} bytes", self.answer.len());
            }
            let Some((status, body)) = head(&self.answer)? else { continue };
            if self.answer.len() >= body.end {
                return Ok((status, body));
            }
        }
    }

    /// The access token of the answer that was just read.
    pub(crate) fn access_token(&self, refreshed: &Refreshed) -> anyhow::Result<&str> {
        let text = &self.answer[refreshed.body.clone()];
        let token = member(text, b"\"access_token\":\"").context("no access_token in the answer")?;
        Ok(std::str::from_utf8(token)?)
    }
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn ok(self) -> anyhow::Result<Self> {
        if self.status == 200 { Ok(self) } else { bail!("status {}: {}", self.status, self.text()) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Status and place of the body, once the head has come.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(u16, std::ops::Range<usize>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = response.parse(bytes)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.context("no content-length")?.value)?.parse()?;
    Ok(Some((response.code.context("no status")?, begin..begin + length)))
}

/// A JSON member that is a text without escapes, as tokens are.
fn member<'a>(json: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let begin = memmem::find(json, name)? + name.len();
    let length = memchr::memchr(b'"', &json[begin..])?;
    Some(&json[begin..begin + length])
}
