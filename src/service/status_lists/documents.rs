//! Status lists as they are served: signed, compressed, and made once an interval at most, whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::domain::audience::Audience;
use crate::domain::signing_algorithm::{SigningAlgorithm, SigningWish};
use crate::domain::status_list::{self, ListNumber, PATH};
use crate::service::Failure;
use crate::service::flights::Flights;
use crate::service::keys::ring::Keys;
use crate::store::{Db, status_lists};

/// The type of the token (§5.1).
const TYPE: &str = "statuslist+jwt";

/// A Status List Token.
#[derive(Debug)]
pub struct StatusListToken {
    pub jwt: String,
    pub gzip: Vec<u8>,
    /// The same wherever the same is said, whoever signed it.
    pub tag: String,
    /// What the list was compressed to, and the key that signed it.
    content: (String, String),
    issued_at: i64,
    expires_at: i64,
}

/// The lists as this process knows them. Time is cut into intervals, the same for all replicas: in each, the database
/// is asked once for a list that somebody wants, and a token is made if what it says has changed.
#[derive(Debug)]
pub struct StatusLists {
    issuer: Audience,
    /// In seconds.
    interval: i64,
    known: RwLock<Known>,
    looking: Flights<(), Arc<[ListNumber]>>,
    making: Flights<SignedList, Arc<StatusListToken>>,
}

#[derive(Debug, Default)]
struct Known {
    lists: Option<(Interval, Arc<[ListNumber]>)>,
    tokens: BTreeMap<SignedList, (Interval, Arc<StatusListToken>)>,
}

/// Which interval, counted from 1970.
type Interval = i64;

/// A list, and the algorithm that it is signed with for a service that knows no other.
type SignedList = (ListNumber, Option<SigningAlgorithm>);

/// The bits, and who signs them.
type Sources<'a> = (&'a Db, &'a Keys);

/// Whether what was made in one interval serves in another: somebody's request may have come just before its end.
fn is_fresh(made: Interval, wanted: Interval) -> bool {
    made == wanted || made == wanted + 1
}

/// Whether a list is one of these, or the next one: another process may have opened that since, and handed out tokens
/// that name it.
fn is_there(list: ListNumber, lists: &[ListNumber]) -> bool {
    lists.binary_search(&list).is_ok() || list == lists.last().map_or(ListNumber::FIRST, |last| last.next())
}

/// Services are no client that could have come after a key: only one that signs serves them.
fn wish((_, algorithm): SignedList) -> SigningWish {
    SigningWish { algorithm, since: DateTime::UNIX_EPOCH }
}

impl StatusLists {
    /// Looks at a list again every `interval`, of whole seconds.
    #[must_use]
    pub fn new(issuer: Audience, interval: Duration) -> Self {
        let interval = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
        Self { issuer, interval, known: RwLock::default(), looking: Flights::new(), making: Flights::new() }
    }

    /// For how many seconds from now on nothing newer is to be had.
    #[must_use]
    pub fn max_age(&self, now: DateTime<Utc>) -> i64 {
        self.interval - now.timestamp().rem_euclid(self.interval)
    }

    /// The addresses of all lists.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn addresses(&self, db: &Db, now: DateTime<Utc>) -> Result<Vec<String>, Failure> {
        let lists = self.lists(db, now).await?;
        Ok(lists.iter().map(|list| list.uri(self.issuer.as_str())).collect())
    }

    /// A list's token: `None` when it is retired, or beyond the one that may be opened next, or no key of the algorithm
    /// signs that it is wanted in.
    ///
    /// # Errors
    /// [`Failure::Store`], [`Failure::NoSigningKey`], [`Failure::Key`].
    pub async fn token(
        &self,
        from: Sources<'_>,
        (list, algorithm): SignedList,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<StatusListToken>>, Failure> {
        let (usual, wanted) = from.1.with_signing_keys(|keys| {
            let is_usual = |it: &SigningAlgorithm| keys.signer(now).is_some_and(|key| key.algorithm() == *it);
            let signs = |it: &SigningAlgorithm| keys.signer_of(*it, now).is_some();
            (algorithm.is_none_or(|it| is_usual(&it)), algorithm.filter(signs))
        });
        if !usual && wanted.is_none() {
            return Ok(None);
        }
        let (number, list) = (list, (list, wanted.filter(|_| !usual)));
        if let Some(token) = self.fresh(list, now) {
            return Ok(Some(token));
        }
        let lists = self.lists(from.0, now).await?;
        if !is_there(number, &lists) {
            return Ok(None);
        }
        self.making.share(&list, async || self.make(from, list, now).await).await.map(Some)
    }

    async fn make(
        &self,
        (db, keys): Sources<'_>,
        list: SignedList,
        now: DateTime<Utc>,
    ) -> Result<Arc<StatusListToken>, Failure> {
        // Somebody's that landed a moment ago.
        if let Some(token) = self.fresh(list, now) {
            return Ok(token);
        }
        let ended = status_lists::ended(db, list.0).await?;
        let content = (status_list::compressed(&ended), keys.signer_id(wish(list), now)?);
        let lifetime = keys.longest_ttl().as_secs().try_into().unwrap_or(i64::MAX).max(2 * self.interval);
        let before = self.read(|known| known.tokens.get(&list).map(|(_, token)| Arc::clone(token)));
        let token = match before {
            Some(token) if token.content == content && self.lasts(&token, lifetime, now) => token,
            Some(_) | None => Arc::new(self.sign(keys, list, content, lifetime, now)?),
        };
        self.write(|known| known.tokens.insert(list, (self.interval_of(now), Arc::clone(&token))));
        Ok(token)
    }

    fn sign(
        &self,
        keys: &Keys,
        list: SignedList,
        content: (String, String),
        lifetime: i64,
        now: DateTime<Utc>,
    ) -> Result<StatusListToken, Failure> {
        let issuer = self.issuer.as_str();
        // The beginning of its interval: who asks again at `iat` + `ttl` (§13.7) then gets what is known by then.
        let issued_at = self.interval_of(now) * self.interval;
        let claims = json!({
            "iss": issuer,
            "sub": list.0.uri(issuer),
            "iat": issued_at,
            "exp": issued_at + lifetime,
            "ttl": self.interval,
            "status_list": { "bits": 1, "lst": content.0, "aggregation_uri": format!("{issuer}{PATH}") },
        });
        let claims = claims.to_string();
        let hash = digest::digest(&digest::SHA256, format!("{} {claims}", content.1).as_bytes());
        let jwt = keys.sign_for(wish(list), TYPE, &claims, now)?;
        Ok(StatusListToken {
            gzip: status_list::gzip(&jwt),
            jwt,
            tag: URL_SAFE_NO_PAD.encode(hash),
            content,
            issued_at,
            expires_at: issued_at + lifetime,
        })
    }

    /// Whether half of a lifetime is left at the end of this interval.
    fn lasts(&self, token: &StatusListToken, lifetime: i64, now: DateTime<Utc>) -> bool {
        let end = (self.interval_of(now) + 1) * self.interval;
        token.issued_at <= now.timestamp() && token.expires_at - end >= lifetime / 2
    }

    /// What was made in this interval.
    fn fresh(&self, list: SignedList, now: DateTime<Utc>) -> Option<Arc<StatusListToken>> {
        let current = self.interval_of(now);
        self.read(|known| {
            known
                .tokens
                .get(&list)
                .filter(|(made, _)| is_fresh(*made, current))
                .map(|(_, token)| Arc::clone(token))
        })
    }

    /// Every list that is not retired, as it was known at the beginning of this interval or later.
    async fn lists(&self, db: &Db, now: DateTime<Utc>) -> Result<Arc<[ListNumber]>, Failure> {
        let current = self.interval_of(now);
        let known = || {
            self.read(|known| {
                known
                    .lists
                    .as_ref()
                    .filter(|(seen, _)| is_fresh(*seen, current))
                    .map(|(_, lists)| Arc::clone(lists))
            })
        };
        if let Some(lists) = known() {
            return Ok(lists);
        }
        let look = async || {
            if let Some(lists) = known() {
                return Ok(lists);
            }
            let lists: Arc<[ListNumber]> = status_lists::list(db).await?.into();
            self.write(|known| {
                known.lists = Some((current, Arc::clone(&lists)));
                known.tokens.retain(|(list, _), _| is_there(*list, &lists));
            });
            Ok(lists)
        };
        self.looking.share(&(), look).await
    }

    fn interval_of(&self, now: DateTime<Utc>) -> Interval {
        now.timestamp().div_euclid(self.interval)
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Known) -> T) -> T {
        write(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}
