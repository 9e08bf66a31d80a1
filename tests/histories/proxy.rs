//! A way to a server in a test's hand: it cuts answers off, falls silent, and changes what is said.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// One answer in so many ends in its midst, and the connection with it.
    Cutting(u64),
    /// Nothing gets through any more on the connections that are there, and nobody is told; what was under way is lost.
    /// They are given up when the trouble ends.
    Silence,
}

/// Texts of the same length: what is said, and what arrives.
type Changes = &'static [(&'static str, &'static str)];

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    target: Arc<Mutex<String>>,
    trouble: watch::Sender<Trouble>,
    answers: Arc<AtomicU64>,
    cancels: Arc<AtomicU64>,
    changes: Changes,
}

impl Proxy {
    pub async fn to(target: &str) -> Self {
        Self::changing(target, &[]).await
    }

    /// One that changes what is said to the server.
    pub async fn changing(target: &str, changes: Changes) -> Self {
        assert!(changes.iter().all(|(said, arrives)| said.len() == arrives.len()), "{changes:?}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            target: Arc::new(Mutex::new(target.to_owned())),
            trouble: watch::Sender::new(Trouble::None),
            answers: Arc::default(),
            cancels: Arc::default(),
            changes,
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let proxy = serving.clone();
                tokio::spawn(async move { proxy.carry(here).await });
            }
        });
        proxy
    }

    /// Leads new connections somewhere else.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.target.lock().unwrap());
    }

    pub fn is_in(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    /// Ends when either end does.
    async fn carry(self, mut here: TcpStream) -> Option<()> {
        let target = self.target.lock().unwrap().clone();
        let mut there = TcpStream::connect(target).await.ok()?;
        // The parts of a message must not wait for each other's acknowledgement.
        here.set_nodelay(true).ok()?;
        there.set_nodelay(true).ok()?;
        let mut trouble = self.trouble.subscribe();
        let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut waits_for_answer = false;
        loop {
            tokio::select! {
                biased;
                () = until(&mut trouble, |it| it == Trouble::Silence) => break,
                length = here.read(&mut asked) => {
                    let said = asked.get_mut(..length.ok().filter(|it| *it > 0)?)?;
                    self.cancels.fetch_add(u64::from(is_cancel(said)), Ordering::Relaxed);
                    self.changes.iter().for_each(|change| replace(said, *change));
                    there.write_all(said).await.ok()?;
                    waits_for_answer = true;
                }
                length = there.read(&mut answered) => {
                    let said = answered.get(..length.ok().filter(|it| *it > 0)?)?;
                    waits_for_answer = false;
                    if self.cuts() {
                        return here.write_all(said.get(..said.len() / 2)?).await.ok();
                    }
                    here.write_all(said).await.ok()?;
                }
            }
        }
        until(&mut trouble, |it| it != Trouble::Silence).await;
        // Whoever asked again while a copy of the request is being answered would make a late copy of it.
        if waits_for_answer {
            let _ = tokio::time::timeout(Duration::from_secs(20), there.read(&mut answered)).await;
        }
        None
    }

    /// How often PostgreSQL was asked to cancel what another connection is about.
    pub fn cancels(&self) -> u64 {
        self.cancels.load(Ordering::Relaxed)
    }

    fn cuts(&self) -> bool {
        match *self.trouble.borrow() {
            Trouble::Cutting(one_in) => self.answers.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_in),
            Trouble::None | Trouble::Silence => false,
        }
    }
}

async fn until(trouble: &mut watch::Receiver<Trouble>, wanted: fn(Trouble) -> bool) {
    let _ = trouble.wait_for(|it| wanted(*it)).await;
}

/// `CancelRequest`, which comes on a connection of its own.
fn is_cancel(said: &[u8]) -> bool {
    said.get(4..8) == Some(&80_877_102_u32.to_be_bytes())
}

fn replace(said: &mut [u8], (old, new): (&str, &str)) {
    while let Some(at) = said.windows(old.len()).position(|part| part == old.as_bytes()) {
        said[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
}
