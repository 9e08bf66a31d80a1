//! A way to the database in a test's hand: it can fall silent, take its time, and refuse statements in an engine's
//! place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Statements with this text are answered with this SQLSTATE.
type Refusing = Option<(&'static str, &'static str)>;

#[derive(Clone, Default)]
pub struct Relay {
    silenced: Arc<Notify>,
    refusing: Arc<Mutex<Refusing>>,
    refused: Arc<AtomicUsize>,
    delay: Arc<Mutex<Duration>>,
    run: Arc<Mutex<Vec<String>>>,
    exchanges: Arc<AtomicUsize>,
}

impl Relay {
    /// Gives the database's URL by way of itself.
    pub async fn to(url: &str) -> (Self, String) {
        let mut url = url::Url::parse(url).unwrap();
        let database = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let relay = Self::default();
        let serving = relay.clone();
        tokio::spawn(async move {
            loop {
                let (here, _) = listener.accept().await.unwrap();
                let there = TcpStream::connect(&database).await.unwrap();
                // The parts of a message must not wait for each other's acknowledgement.
                here.set_nodelay(true).unwrap();
                there.set_nodelay(true).unwrap();
                let relay = serving.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = relay.clone().carry(here, there) => {}
                        () = relay.silenced.notified() => std::future::pending().await,
                    }
                });
            }
        });
        (relay, url.to_string())
    }

    /// Makes every connection that there is fall silent; later ones are better.
    pub fn silence(&self) {
        self.silenced.notify_waiters();
    }

    /// Refuses to prepare statements with this text from now on.
    pub fn refuse(&self, text: &'static str, sqlstate: &'static str) {
        *self.refusing.lock().unwrap() = Some((text, sqlstate));
    }

    /// How many statements were refused so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Brings every answer so much later from now on.
    pub fn delay(&self, by: Duration) {
        *self.delay.lock().unwrap() = by;
    }

    /// How often statements with this text were run so far.
    pub fn run(&self, text: &str) -> usize {
        self.run.lock().unwrap().iter().filter(|sql| sql.contains(text)).count()
    }

    /// The statements that were run, but for so many of the first ones.
    pub fn all_run(&self, since: usize) -> Vec<String> {
        self.run.lock().unwrap().get(since..).unwrap_or_default().to_vec()
    }

    /// How often the database was asked something so far, be it only whether it is there.
    pub fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }

    async fn carry(self, here: TcpStream, there: TcpStream) -> std::io::Result<()> {
        let (mut from_here, back) = here.into_split();
        let (mut from_database, mut to_database) = there.into_split();
        let back = Arc::new(tokio::sync::Mutex::new(back));
        let answers = Arc::clone(&back);
        let delay = Arc::clone(&self.delay);
        let answering = async move {
            let mut buffer = [0; 16384];
            loop {
                let length = from_database.read(&mut buffer).await?;
                let delay = *delay.lock().unwrap();
                tokio::time::sleep(delay).await;
                if length == 0 {
                    return answers.lock().await.shutdown().await;
                }
                answers.lock().await.write_all(&buffer[..length]).await?;
            }
        };
        tokio::select! {
            done = answering => done,
            done = self.ask(&mut from_here, &mut to_database, &back) => done,
        }
    }

    /// Passes messages on, one by one.
    async fn ask(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        back: &tokio::sync::Mutex<OwnedWriteHalf>,
    ) -> std::io::Result<()> {
        const STARTUP: u32 = 196_608;
        while read_message(from, to).await?.get(4..8) != Some(&STARTUP.to_be_bytes()) {}
        let mut prepared = HashMap::new();
        loop {
            let kind = from.read_u8().await?;
            let length = from.read_u32().await?;
            let mut message = vec![0; length as usize - 4];
            from.read_exact(&mut message).await?;
            let mut texts =
                message.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
            let first_two = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
            match (kind, first_two) {
                // Parse: the name, the statement.
                (b'P', (name, sql)) => drop(prepared.insert(name, sql)),
                // Bind: the portal, the name.
                (b'B', (_, name)) => self.run.lock().unwrap().extend(prepared.get(&name).cloned()),
                // Query: the statements. Sync: what was sent so far is to be answered.
                (b'Q', (sql, _)) => {
                    self.run.lock().unwrap().push(sql);
                    self.exchanges.fetch_add(1, Ordering::SeqCst);
                }
                (b'S', _) => drop(self.exchanges.fetch_add(1, Ordering::SeqCst)),
                _ => {}
            }
            let refusing = *self.refusing.lock().unwrap();
            if let Some((text, sqlstate)) = refusing
                && kind == b'P'
                && message.windows(text.len()).any(|part| part == text.as_bytes())
            {
                self.refused.fetch_add(1, Ordering::SeqCst);
                skip_until_sync(from).await?;
                back.lock().await.write_all(&refusal(sqlstate)).await?;
                continue;
            }
            to.write_u8(kind).await?;
            to.write_u32(length).await?;
            to.write_all(&message).await?;
        }
    }
}

/// Passes on one of the first messages, which have no kind, and gives it.
async fn read_message(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(length as usize, 0);
    from.read_exact(&mut message[4..]).await?;
    to.write_all(&message).await?;
    Ok(message)
}

async fn skip_until_sync(from: &mut OwnedReadHalf) -> std::io::Result<()> {
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        from.read_exact(&mut vec![0; length as usize - 4]).await?;
        if kind == b'S' {
            return Ok(());
        }
    }
}

/// `ErrorResponse`, then `ReadyForQuery` outside a transaction.
fn refusal(sqlstate: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{sqlstate}\0Mrefused by a test\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E", &length.to_be_bytes()[..], fields.as_bytes(), b"Z\0\0\0\x05I"].concat()
}
