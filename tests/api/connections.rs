//! An address holds a share of the connections, whatever it does with them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::*;

impl TestApp {
    /// Connects and asks for something; whether it was answered. The connection stays open.
    async fn connection_held(&self) -> Option<TcpStream> {
        let mut connection = TcpStream::connect(self.url.split_once("://").unwrap().1).await.unwrap();
        let asked = connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = [0; 15];
        let answered = connection.read_exact(&mut answer).await;
        (asked.is_ok() && answered.is_ok() && &answer == b"HTTP/1.1 200 OK").then_some(connection)
    }

    pub async fn hold_connections(&self, count: usize) -> Vec<TcpStream> {
        let mut held = Vec::new();
        for _ in 0..count {
            held.extend(self.connection_held().await);
        }
        held
    }
}

both_stores! {
    async fn an_address_holds_a_quarter_of_the_connections_and_no_more(app) with |settings| {
        settings.http.max_connections = 12;
    }; {
        let mut held = app.hold_connections(10).await;
        assert_eq!(held.len(), 3);
        held.pop();
        // The server hears of that in a moment.
        let let_in = async { while app.connection_held().await.is_none() {} };
        tokio::time::timeout(SECOND * 20, let_in).await.unwrap();
        assert_eq!(held.len(), 2);
    }

    async fn a_trusted_proxy_holds_them_all(app) with |settings| {
        settings.http.max_connections = 12;
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        assert_eq!(app.hold_connections(12).await.len(), 12);
    }
}
