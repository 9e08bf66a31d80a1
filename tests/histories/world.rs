//! The servers of a run, its users and clients, and how it ends.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinHandle, block_in_place};
use tokio::time::{sleep, timeout};

use crate::actors::{Fate, live};
use crate::asking::{Client, Way, Who};
use crate::checker::Promise;
use crate::folder::Folder;
use crate::history::{Family, Rotation, Row};
use crate::process::{MASTER_KEY, PASSWORD, Place, now};
use crate::replica::{Clock, Replica};
use crate::run::{Run, say};

pub const ISSUER: &str = "https://login.example.com";

/// The leeway of the client whose owners stay away for longer than that.
const SHORT_LEEWAY: Duration = Duration::from_secs(4);

pub struct World {
    pub run: Run,
    pub http: reqwest::Client,
    pub replicas: Vec<Replica>,
    /// Where commands run.
    pub office: Place,
    pub operators_secret: String,
    pub user_ids: HashMap<String, String>,
    /// How long an actor rests between two requests at most, in milliseconds.
    rest: u64,
    folder: Arc<Folder>,
    clients: [Client; 5],
}

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub chains: u64,
    pub rest: u64,
}

/// A place with the settings of a run: by way of these, on this store.
pub fn place(folder: &Folder, store: &[(&str, &str)]) -> Place {
    let key = master_key_file(folder);
    let settings = [
        ("HEIRLOOM_ISSUER", ISSUER),
        ("HEIRLOOM_MASTER_KEY_FILE", key.to_str().unwrap()),
        // A request is given up long before its sender gives up.
        ("HEIRLOOM_HTTP__REQUEST_TIMEOUT", "4s"),
        ("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "2s"),
        ("HEIRLOOM_DATABASE__MAX_CONNECTIONS", "10"),
        ("HEIRLOOM_STATUS_LISTS__INTERVAL", "1s"),
        ("HEIRLOOM_KEYS__POLL_EVERY", "500ms"),
        ("HEIRLOOM_KEYS__PUBLISH_AHEAD", "2s"),
        ("HEIRLOOM_LOG__FORMAT", "json"),
        ("HEIRLOOM_LOG__FILTER", "error,audit=info"),
    ];
    settings.iter().chain(store).fold(Place::sqlite(), |place, (name, value)| place.with(name, value))
}

pub fn master_key_file(folder: &Folder) -> PathBuf {
    folder.path().join("master.keys")
}

/// Writes the master keys, for whoever starts from now on.
pub fn give_master_keys(folder: &Folder, keys: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.keep("master.keys", keys);
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl World {
    /// Starts servers on a store: one for each of these settings; commands run with the last.
    pub async fn start(run: Run, folder: Arc<Folder>, stores: &[Vec<(&str, &str)>], size: Size) -> Self {
        give_master_keys(&folder, MASTER_KEY);
        let (of_office, of_servers) = stores.split_last().unwrap();
        // Whoever types a command has time.
        let office = place(&folder, of_office).with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "1m");
        block_in_place(|| office.ok(&["migrate"]));
        let user_ids = block_in_place(|| add_users(&office, size));
        let clients = block_in_place(|| add_clients(&office));
        let scopes = "heirloom:families.write heirloom:users.write";
        let ops =
            ["client", "add", "ops", "--confidential", "--grant", "client_credentials", "--scope", scopes];
        let operators_secret = block_in_place(|| secret_of(&office, &ops));
        let mut replicas = Vec::new();
        for (number, store) in of_servers.iter().enumerate() {
            let clock = block_in_place(|| Clock::find(folder.path(), &format!("clock-{number}")));
            replicas.push(Replica::new(place(&folder, store), clock).await);
        }
        let http = reqwest::Client::new();
        let rest = size.rest;
        Self { run, http, replicas, office, operators_secret, user_ids, rest, folder, clients }
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub async fn pause(&self, rng: &mut SmallRng) {
        sleep(Duration::from_millis(rng.random_range(0..=self.rest))).await;
    }

    /// Somebody is away for longer than the short leeway; who is waited for comes sooner.
    pub async fn absence(&self) {
        let until = self.run.moment() + u64::try_from(SHORT_LEEWAY.as_micros()).unwrap() + 500_000;
        while self.run.moment() < until && self.run.healed().is_none() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Of ten chains: six with an owner alone (one with a second factor), one that is shared, one that is stolen, and
    /// two that are ended. Clients and keys go through all of them.
    pub fn chain(&self, number: u64) -> (Who, Fate) {
        let [built_in, hasty, tools, bound, other] = &self.clients;
        let of_turn = (number / 10) % 4;
        let is_even = of_turn.is_multiple_of(2);
        let everybody = [built_in, hasty, built_in, other];
        let client = everybody[usize::try_from(of_turn).unwrap()];
        let (client, fate) = match number % 10 {
            0..=2 => (client, Fate::Kept),
            3 => (hasty, Fate::Kept),
            4 => (bound, Fate::Kept),
            5 => (built_in, Fate::Kept),
            6 => (if of_turn == 0 { bound } else { tools }, Fate::Shared),
            7 => (if of_turn == 3 { tools } else { client }, Fate::Stolen),
            8 => (client, Fate::Ended(if is_even { Way::Logout } else { Way::Operator })),
            _ => (client, Fate::Ended(if is_even { Way::Revocation } else { Way::Disabling })),
        };
        let app = (number % 10 == 5).then(|| app_of(number));
        let has_own_user = app.is_some() || matches!(fate, Fate::Ended(Way::Disabling));
        let user = if has_own_user { format!("user-{number}") } else { "ana".to_owned() };
        let is_bound = number % 3 == 1 || client.id == bound.id;
        (Who { user, app, client: client.clone(), is_bound }, fate)
    }

    /// Lets this many chains live while something happens, and on until each has seen that all is well again; gives
    /// what is left of that.
    pub async fn lives<T>(self: &Arc<Self>, chains: u64, happening: impl Future<Output = T>) -> T {
        let began = now();
        let all: Vec<_> = (0..chains)
            .map(|number| {
                let (who, fate) = self.chain(number);
                tokio::spawn(live(Arc::clone(self), who, fate, number))
            })
            .collect();
        let telling = async {
            loop {
                sleep(Duration::from_secs(10)).await;
                println!("{}", self.run.progress());
            }
        };
        let living = async {
            let left = happening.await;
            println!("histories: {}: all is well again after {} s", self.run.name, began.elapsed().as_secs());
            self.run.heal();
            let aborts: Vec<_> = all.iter().map(JoinHandle::abort_handle).collect();
            let _ = timeout(Duration::from_mins(1), join_all(all)).await;
            aborts.iter().for_each(AbortHandle::abort);
            left
        };
        tokio::select! {
            () = telling => unreachable!("it goes on for ever"),
            left = living => left,
        }
    }

    /// Looks at all that there is, and says what it found; gives the promises that were broken.
    pub async fn judge(&self) -> Vec<Promise> {
        let rows = block_in_place(|| rows(&self.office));
        let wrong_statuses = self.wrong_statuses(&rows).await;
        let broken = self.run.broken(rows);
        self.run.report();
        for (_, line) in broken.iter().take(5) {
            println!("{line}");
        }
        say(&format!("  broken promises: {}", broken.len()));
        assert_eq!(wrong_statuses, Vec::<String>::new(), "status lists");
        assert_eq!(self.run.bad_excuses(), Vec::<String>::new(), "no client should be told that");
        broken.into_iter().map(|(promise, _)| promise).collect()
    }

    /// The status lists say of each family what its row says.
    async fn wrong_statuses(&self, rows: &HashMap<Family, Row>) -> Vec<String> {
        // A position that was lost is handed out again, and then tells of both.
        if !self.run.is_lossless() {
            return Vec::new();
        }
        // A list is made anew at most once a second.
        sleep(Duration::from_secs(2)).await;
        let mut lists = HashMap::new();
        let mut wrong = Vec::new();
        for (family, (path, index)) in self.run.statuses() {
            if !lists.contains_key(&path) {
                let answer = self.http.get(format!("{}{path}", self.replicas[0].url())).send().await.unwrap();
                lists.insert(path.clone(), bits(&answer.text().await.unwrap()));
            }
            let is_ended = lists[&path][index / 8] >> (index % 8) & 1 == 1;
            let row = rows.get(&family);
            if is_ended == row.is_some_and(|row| row.is_live) {
                wrong.push(format!(
                    "{path} says of {family:032x} that it is ended: {is_ended}; its row: {row:?}"
                ));
            }
        }
        wrong
    }

    pub fn stop(&self) {
        self.replicas.iter().for_each(Replica::stop);
    }
}

/// The bits of a status list's token.
fn bits(jwt: &str) -> Vec<u8> {
    use std::io::Read as _;
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let packed = URL_SAFE_NO_PAD.decode(claims["status_list"]["lst"].as_str().unwrap()).unwrap();
    let mut bits = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut bits).unwrap();
    bits
}

/// All rows, as an operator sees them.
pub fn rows(office: &Place) -> HashMap<Family, Row> {
    let all = office.json(&["family", "list", "--limit", "1000000000", "--json"]);
    let row = |it: &Value| {
        let family = it["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap().as_u128();
        let generation = it["generation"].as_u64().unwrap().try_into().unwrap();
        (family, Row { generation, is_live: it["state"] == "live" })
    };
    all.as_array().unwrap().iter().map(row).collect()
}

fn secret_of(office: &Place, arguments: &[&str]) -> String {
    office.json(arguments)["client_secret"].as_str().unwrap().to_owned()
}

fn add_clients(office: &Place) -> [Client; 5] {
    let leeway = format!("{}s", SHORT_LEEWAY.as_secs());
    let public = ["--public", "--first-party"];
    office
        .ok(&[&["client", "add", "hasty"], &public[..], &["--access-ttl", "1m", "--leeway", &leeway]]
            .concat());
    office.ok(&[&["client", "add", "other"], &public[..]].concat());
    // Programs that share a login may each be kept waiting for half of the period, and no machine is as busy as that.
    let every = ["--rotation", "every:5m", "--access-ttl", "1m", "--idle-ttl", "30m"];
    office.ok(&[&["client", "add", "tools"], &public[..], &every[..]].concat());
    let never =
        ["--rotation", "never", "--access-ttl", "1m", "--idle-ttl", "10m", "--dpop-bound-access-tokens"];
    office.ok(&[&["client", "add", "bound"], &public[..], &never[..]].concat());
    [
        Client { id: "heirloom", rotation: Rotation::Always },
        Client { id: "hasty", rotation: Rotation::Always },
        Client { id: "tools", rotation: Rotation::Rarely },
        Client { id: "bound", rotation: Rotation::Rarely },
        Client { id: "other", rotation: Rotation::Always },
    ]
}

/// The key of a user's authenticator app, in base32.
fn app_of(number: u64) -> String {
    let letter = |place: u64| char::from(b'A' + u8::try_from((number * 7 + place * 3) % 26).unwrap());
    (0..32).map(letter).collect()
}

/// Ana, and a user for each chain, half of them with an authenticator app; gives their ids.
fn add_users(office: &Place, size: Size) -> HashMap<String, String> {
    use argon2::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(PASSWORD.as_bytes(), b"sixteen bytes are").unwrap().to_string();
    let mut lines = json!({ "username": "ana", "password_hash": hash }).to_string();
    for number in 0..size.chains {
        let mut line = json!({ "username": format!("user-{number}"), "password_hash": hash });
        if number % 10 == 5 {
            line["totp"] = json!({ "secret": app_of(number) });
        }
        lines.push('\n');
        lines.push_str(&line.to_string());
    }
    office.ok_with(&["user", "import", "-"], &lines);
    let users = office.json(&["user", "list", "--json"]);
    let id = |user: &Value| Some((user["username"].as_str()?.to_owned(), user["id"].as_str()?.to_owned()));
    users.as_array().unwrap().iter().filter_map(id).collect()
}
