//! What goes wrong in a run on PostgreSQL: one thing after another, each made good again.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::is_long;
use crate::postgres::Postgres;
use crate::process::{MASTER_KEY, eventually};
use crate::proxy::{Proxy, Trouble};
use crate::replica::Replica;
use crate::small_disk::SmallDisk;
use crate::world::{World, give_master_keys};

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    ServerKilled,
    DatabaseKilled,
    DatabaseRestarted,
    DatabaseFrozen,
    /// Of the connections between clients and servers.
    AnswersCut,
    ConnectionsHalfOpen,
    /// The same between a server and the database.
    DatabaseAnswersCut,
    DatabaseHalfOpen,
    /// Within the leeway.
    ClockSkewed,
    /// By five minutes.
    ClockWrong,
    SigningKeyRotated,
    MasterKeyRotated,
    DiskFull,
}

pub const ALL: [Fault; 13] = [
    Fault::ServerKilled,
    Fault::DatabaseKilled,
    Fault::DatabaseRestarted,
    Fault::DatabaseFrozen,
    Fault::AnswersCut,
    Fault::ConnectionsHalfOpen,
    Fault::DatabaseAnswersCut,
    Fault::DatabaseHalfOpen,
    Fault::ClockSkewed,
    Fault::ClockWrong,
    Fault::SigningKeyRotated,
    Fault::MasterKeyRotated,
    Fault::DiskFull,
];

/// One that is about to happen.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    /// To this server, where it is about one.
    server: usize,
    lasting: Duration,
    /// Whether a clock is put forward, or back.
    is_ahead: bool,
}

pub enum Store {
    Postgres(Postgres),
    /// In the hand of the test.
    Elsewhere,
    /// On a disk that can be filled.
    Sqlite(Option<SmallDisk>),
}

impl Store {
    fn postgres(&self) -> &Postgres {
        let Self::Postgres(postgres) = self else { panic!("this is not PostgreSQL") };
        postgres
    }

    fn disk(&self) -> Option<&SmallDisk> {
        match self {
            Self::Postgres(postgres) => postgres.disk(),
            Self::Elsewhere => None,
            Self::Sqlite(disk) => disk.as_ref(),
        }
    }
}

/// What faults happen to.
pub struct Stage {
    pub world: Arc<World>,
    pub store: Mutex<Store>,
    /// Between each server and PostgreSQL; the last one is for commands.
    pub ways: Vec<Proxy>,
}

impl Stage {
    /// The same with its PostgreSQL, for faults to happen to.
    pub fn holding(self, postgres: Postgres) -> Self {
        Self { store: Mutex::new(Store::Postgres(postgres)), ..self }
    }

    pub fn office_way(&self) -> &Proxy {
        self.ways.last().unwrap()
    }

    /// Has everybody find the database here from now on.
    pub fn lead_to(&self, postgres: &Postgres) {
        self.ways.iter().for_each(|way| way.lead_to(&postgres.address()));
    }

    /// Has all of these go wrong once; in a long run again and again, until there were so many operations.
    pub async fn trouble_for(&self, faults: &[Fault], long: usize) {
        let mut round = 0;
        while round == 0 || is_long() && self.world.run.operations() < long {
            self.trouble(faults, round).await;
            round += 1;
        }
    }

    /// Has all of these go wrong, in an order that the seed says.
    async fn trouble(&self, faults: &[Fault], round: u64) {
        let mut rng = SmallRng::seed_from_u64(self.world.run.seed() ^ (round << 32));
        let mut faults = faults.to_vec();
        faults.shuffle(&mut rng);
        for fault in faults {
            sleep(Duration::from_millis(rng.random_range(100..400))).await;
            let server = rng.random_range(0..self.world.replicas.len());
            let lasting = Duration::from_millis(rng.random_range(300..1500));
            let plan = Plan { fault, server, lasting, is_ahead: rng.random_bool(0.5) };
            let began = self.world.run.moment();
            self.strike(plan).await;
            self.world.run.note_fault(name(fault), began);
        }
    }

    async fn strike(&self, plan: Plan) {
        let Plan { fault, server, lasting, .. } = plan;
        let world = &self.world;
        match fault {
            Fault::ServerKilled => {
                block_in_place(|| world.replicas[server].kill());
                sleep(lasting).await;
                block_in_place(|| world.replicas[server].start());
            }
            Fault::DatabaseKilled | Fault::DatabaseRestarted => self.database_gone(fault, lasting).await,
            Fault::DatabaseFrozen => {
                let store = self.store.lock().await;
                let postgres = store.postgres();
                block_in_place(|| postgres.freeze());
                // Longer than a server waits for an answer, now and then.
                sleep(lasting * 4).await;
                block_in_place(|| postgres.thaw());
            }
            Fault::AnswersCut => self.fronts(Trouble::Cutting(10), lasting).await,
            Fault::ConnectionsHalfOpen => self.fronts(Trouble::Silence, lasting).await,
            Fault::DatabaseAnswersCut => self.in_trouble(server, Trouble::Cutting(50), lasting).await,
            Fault::DatabaseHalfOpen => self.in_trouble(server, Trouble::Silence, lasting).await,
            Fault::ClockSkewed => {
                world.replicas[server].set_clock(if plan.is_ahead { 1.5 } else { -1.5 });
                sleep(lasting + Duration::from_secs(1)).await;
                world.replicas[server].set_clock(0.0);
            }
            Fault::ClockWrong => self.clock_wrong(plan).await,
            Fault::SigningKeyRotated => {
                block_in_place(|| world.office.ok(&["keys", "rotate"]));
            }
            Fault::MasterKeyRotated => self.master_key_rotated(),
            Fault::DiskFull => self.disk_full(lasting).await,
        }
    }

    /// Whether everything that these need is on this machine.
    pub fn can(&self, fault: Fault) -> bool {
        match fault {
            Fault::ClockSkewed | Fault::ClockWrong => self.world.replicas.iter().all(Replica::has_clock),
            Fault::DiskFull => self.store.try_lock().is_ok_and(|store| store.disk().is_some()),
            _ => true,
        }
    }

    async fn fronts(&self, trouble: Trouble, lasting: Duration) {
        let all = |trouble| self.world.replicas.iter().for_each(|replica| replica.front.is_in(trouble));
        all(trouble);
        sleep(lasting).await;
        all(Trouble::None);
    }

    async fn in_trouble(&self, server: usize, trouble: Trouble, lasting: Duration) {
        self.ways[server].is_in(trouble);
        sleep(lasting).await;
        self.ways[server].is_in(Trouble::None);
    }

    async fn database_gone(&self, fault: Fault, lasting: Duration) {
        let store = self.store.lock().await;
        let postgres = store.postgres();
        block_in_place(|| match fault {
            Fault::DatabaseKilled => postgres.kill(),
            _ => postgres.stop(),
        });
        sleep(lasting).await;
        self.comes_back(postgres).await;
    }

    /// Starts the database, and measures how soon it is of use.
    async fn comes_back(&self, postgres: &Postgres) {
        let run = &self.world.run;
        let accepted = std::thread::scope(|scope| {
            let starting = scope.spawn(|| postgres.restart());
            while !postgres.accepts() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let accepted = run.moment();
            starting.join().unwrap();
            accepted
        });
        eventually("a refresh is answered again", async || run.note_return(accepted)).await;
    }

    /// A server whose clock is wrong serves nobody; the others do.
    async fn clock_wrong(&self, Plan { server, lasting, is_ahead, .. }: Plan) {
        let (world, replica) = (&self.world, &self.world.replicas[server]);
        replica.set_clock(if is_ahead { 300.0 } else { -300.0 });
        let is_ready = async || {
            let answer = world.http.get(format!("{}/readyz", replica.url())).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        eventually("the server notices", async || !is_ready().await).await;
        let noticed = world.run.moment();
        sleep(lasting).await;
        let served = world.run.last_served_by(server);
        assert!(
            served < noticed,
            "it knew at {noticed} that its clock is wrong, and served what began at {served}"
        );
        replica.set_clock(0.0);
        eventually("the server notices again", is_ready).await;
    }

    /// As docs/operate.md has it: the new one behind the old one everywhere, then in front; here they change places.
    fn master_key_rotated(&self) {
        const OTHER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
        let (world, was) = (&self.world, self.world.run.faults_of(name(Fault::MasterKeyRotated)));
        let (old, new) = if was.is_multiple_of(2) { (MASTER_KEY, OTHER) } else { (OTHER, MASTER_KEY) };
        for keys in [format!("{old},{new}"), format!("{new},{old}")] {
            give_master_keys(world.folder(), &keys);
            for replica in &world.replicas {
                block_in_place(|| {
                    replica.stop();
                    replica.start();
                });
            }
        }
    }

    async fn disk_full(&self, lasting: Duration) {
        let store = self.store.lock().await;
        let disk = store.disk().expect("a disk that can be filled");
        block_in_place(|| disk.fill());
        sleep(lasting).await;
        disk.give_space();
        let Store::Postgres(postgres) = &*store else { return };
        sleep(Duration::from_millis(500)).await;
        // Without space for its log it ends, and may not have come back by itself.
        if !block_in_place(|| postgres.accepts()) {
            block_in_place(|| postgres.kill());
            self.comes_back(postgres).await;
        }
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::ServerKilled => "a server killed",
        Fault::DatabaseKilled => "PostgreSQL killed",
        Fault::DatabaseRestarted => "PostgreSQL restarted",
        Fault::DatabaseFrozen => "PostgreSQL frozen",
        Fault::AnswersCut => "answers cut off",
        Fault::ConnectionsHalfOpen => "connections half-open",
        Fault::DatabaseAnswersCut => "PostgreSQL's answers cut off",
        Fault::DatabaseHalfOpen => "connections to PostgreSQL half-open",
        Fault::ClockSkewed => "a clock skewed within the leeway",
        Fault::ClockWrong => "a clock five minutes wrong",
        Fault::SigningKeyRotated => "signing key rotated",
        Fault::MasterKeyRotated => "master key rotated",
        Fault::DiskFull => "disk full",
    }
}
