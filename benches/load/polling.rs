//! Services that ask for a status list again and again, with the tag of what they have.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::now;

/// They share so many connections: a server's cost is that of what they ask.
const CONNECTIONS: usize = 100;

/// What they were answered.
#[derive(Default)]
pub(crate) struct Polled {
    pub(crate) unchanged: u64,
    pub(crate) fetched: u64,
}

/// A list as it was sent.
pub(crate) struct Fetched {
    pub(crate) tag: String,
    pub(crate) bytes: usize,
}

/// Where a list is.
#[derive(Clone, Copy)]
pub(crate) struct ListPlace<'a> {
    pub(crate) address: &'a str,
    pub(crate) number: u32,
}

/// Fetches the list.
pub(crate) async fn fetch(list: ListPlace<'_>) -> anyhow::Result<Fetched> {
    Poller::connect(list.address).await?.ask(list, None).await?.context("304 to who knows no tag")
}

/// So many requests a second, on a schedule, each by a service that knows the list of `tag` and no newer one.
pub(crate) async fn poll(
    list: ListPlace<'_>,
    tag: &str,
    per_second: f64,
    lasting: Duration,
) -> anyhow::Result<Polled> {
    let (next, answers) = (Cell::new(0_u64), RefCell::new(Polled::default()));
    let pollers = futures_util::future::try_join_all((0..CONNECTIONS).map(|_| Poller::connect(list.address)));
    let (pollers, began) = (pollers.await?, now());
    let connection = async |mut poller: Poller| loop {
        let place = next.replace(next.get() + 1);
        let due = Duration::from_secs_f64(place as f64 / per_second);
        if due >= lasting {
            return anyhow::Ok(());
        }
        tokio::time::sleep_until((began + due).into()).await;
        let fetched = poller.ask(list, Some(tag)).await?;
        let mut answers = answers.borrow_mut();
        *(if fetched.is_some() { &mut answers.fetched } else { &mut answers.unchanged }) += 1;
    };
    futures_util::future::try_join_all(pollers.into_iter().map(connection)).await?;
    Ok(answers.into_inner())
}

struct Poller {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Poller {
    async fn connect(address: &str) -> anyhow::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, answer: Vec::new() })
    }

    /// Asks once; gives what was sent, if it is not what was known.
    async fn ask(&mut self, list: ListPlace<'_>, known: Option<&str>) -> anyhow::Result<Option<Fetched>> {
        let ListPlace { address, number } = list;
        let known = known.map(|tag| format!("If-None-Match: {tag}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /status-lists/{number} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: gzip\r\n{known}\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server hung up after {} bytes", self.answer.len());
            }
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(begin) = response.parse(&self.answer)? else { continue };
            let header = |name: &str| {
                let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).into_owned())
            };
            match response.code {
                Some(304) => return Ok(None),
                Some(200) => {}
                other => bail!("status {other:?}"),
            }
            let length: usize = header("content-length").context("no content-length")?.parse()?;
            if self.answer.len() - begin < length {
                continue;
            }
            return Ok(Some(Fetched { tag: header("etag").context("no tag")?, bytes: length }));
        }
    }
}
