//! What audiences say of the access tokens that are meant for them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::resource_server::ResourceServer;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_one, fetch_optional};

row! {
    struct ServerRow {
        audience: String,
        scope: Option<String>,
        access_ttl_ms: Option<i64>,
        roles: String,
        applied_at: Option<DateTime<Utc>>,
    }
}

/// Who brought a resource server in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroughtInBy {
    Files,
    Somebody,
}

const LIST: &str = "SELECT audience, scope, access_ttl_ms, roles, applied_at FROM resource_servers";

impl ServerRow {
    fn read(self) -> Result<(ResourceServer, BroughtInBy), StoreError> {
        let audience = self.audience.clone();
        let corrupt = |what| StoreError::corrupt("resource_servers", &audience, what);
        let scope = self.scope.as_deref().map(str::parse).transpose().map_err(|_| corrupt("scope"))?;
        let millis =
            self.access_ttl_ms.map(u64::try_from).transpose().map_err(|_| corrupt("access_ttl_ms"))?;
        let server = ResourceServer {
            audience: self.audience.parse().map_err(|_| corrupt("audience"))?,
            scope,
            access_ttl: millis.map(Duration::from_millis),
            roles: self.roles.parse().map_err(|_| corrupt("roles"))?,
        };
        Ok((server, if self.applied_at.is_some() { BroughtInBy::Files } else { BroughtInBy::Somebody }))
    }
}

/// All of them.
pub async fn list(db: &Db) -> Result<BTreeMap<Audience, ResourceServer>, StoreError> {
    let rows: Vec<ServerRow> = fetch_all!(on db, LIST)?;
    let read = |row: ServerRow| row.read().map(|(server, _)| (server.audience.clone(), server));
    rows.into_iter().map(read).collect()
}

/// The same, with who brought them in, in a transaction.
pub async fn list_within(
    tx: &mut Tx,
) -> Result<BTreeMap<Audience, (ResourceServer, BroughtInBy)>, StoreError> {
    let rows: Vec<ServerRow> = fetch_all!(within tx, LIST)?;
    let read = |row: ServerRow| row.read().map(|(server, by)| (server.audience.clone(), (server, by)));
    rows.into_iter().map(read).collect()
}

/// Takes the row's lock, and gives what is said of an audience: `None` when nothing is.
pub async fn lock(tx: &mut Tx, audience: &Audience) -> Result<Option<ResourceServer>, StoreError> {
    const SQL: &str = "UPDATE resource_servers SET roles = roles WHERE audience = $1 \
         RETURNING audience, scope, access_ttl_ms, roles, applied_at";
    let row: Option<ServerRow> = fetch_optional!(within tx, SQL, audience.as_str())?;
    Ok(row.map(ServerRow::read).transpose()?.map(|(server, _)| server))
}

/// Says what there is to say of an audience of which nothing was said; `false` when something was.
pub async fn insert_if_new(
    tx: &mut Tx,
    server: &ResourceServer,
    by: BroughtInBy,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO resource_servers (audience, scope, access_ttl_ms, roles, created_at, applied_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (audience) DO NOTHING";
    let (scope, millis) = columns_of(server);
    let applied_at = (by == BroughtInBy::Files).then_some(now);
    let roles = server.roles.as_str();
    Ok(execute!(within tx, SQL, server.audience.as_str(), scope, millis, roles, now, applied_at)? > 0)
}

/// Says something else of an audience. Who brought it in stays what it was.
pub async fn update(tx: &mut Tx, server: &ResourceServer) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE resource_servers SET scope = $2, access_ttl_ms = $3, roles = $4 WHERE audience = $1";
    let (scope, millis) = columns_of(server);
    execute!(within tx, SQL, server.audience.as_str(), scope, millis, server.roles.as_str())?;
    Ok(())
}

fn columns_of(server: &ResourceServer) -> (Option<String>, Option<i64>) {
    let millis = server.access_ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
    (server.scope.as_ref().map(ToString::to_string), millis)
}

/// `false` when there is none.
pub async fn remove(tx: &mut Tx, audience: &Audience) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM resource_servers WHERE audience = $1";
    Ok(execute!(within tx, SQL, audience.as_str())? > 0)
}

/// The shortest lifetime of an access token that one of them wants.
pub async fn shortest_ttl(db: &Db) -> Result<Option<Duration>, StoreError> {
    const SQL: &str = "SELECT MIN(access_ttl_ms) FROM resource_servers";
    let (shortest,): (Option<i64>,) = fetch_one!(on db, SQL)?;
    Ok(shortest.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}
