//! Login with a password: the beginning of a family.

use chrono::{DateTime, Utc};

use crate::crypto::passwords::Verdict;
use crate::crypto::random;
use crate::domain::family::{Device, Family, State};
use crate::domain::ids::FamilyId;
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::Refusal;
use crate::domain::secrets::{FamilySecret, Password};
use crate::domain::user::Username;
use crate::service::clients::KnownClient;
use crate::service::grant::{self, TokenSet, Wanted};
use crate::service::presenter::Presenter;
use crate::service::{Core, Failure, audit};
use crate::store::users::{self, User};
use crate::store::{families, transaction};

/// How often a user may change under a login before it is asked to come back.
const TRIES: usize = 3;

/// A request to log in.
#[derive(Debug)]
pub struct Login {
    /// Who: `None` when what was sent can be nobody's name.
    pub username: Option<Username>,
    /// The password: `None` when what was sent can be nobody's password.
    pub password: Option<Password>,
    /// With which client.
    pub presenter: Presenter,
    /// What shall be granted.
    pub wanted: Wanted,
    /// Where from.
    pub device: Device,
}

/// Logs a user in.
///
/// # Errors
/// [`Refusal::BadCredentials`], the same and after the same time whether the user exists or not;
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::InvalidScope`],
/// [`Failure::InvalidTarget`]; [`Failure::Busy`] when too many passwords are waiting; [`Failure::Store`].
pub async fn login(core: &Core, request: Login, now: DateTime<Utc>) -> Result<TokenSet, Failure> {
    let known = request.presenter.authenticate(core, now).await?;
    request.wanted.scope_within(&known.client.scopes)?;
    request.wanted.audiences_of(&known.client, &core.issuer)?;
    let Some(password) = &request.password else { return Err(refused(&request)) };
    for _ in 0..TRIES {
        let user = match &request.username {
            Some(username) => users::find_by_name(&core.db, username).await?,
            None => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let verdict = core.passwords.verify(password.clone(), hash).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        let (Some(user), Verdict::Right | Verdict::RightOutdated(_)) = (user, &verdict) else {
            return Err(refused(&request));
        };
        if let Some((family, secret)) = begin_family(core, &request, &known, &user, &verdict, now).await? {
            audit::login(family.id, user.id, request.presenter.client_id());
            // What was asked for is what the family has by now.
            return grant::issue(core, &family.into(), &secret, &known, &Wanted::default(), now);
        }
        // The user changed while the password was being checked. That may have been another login that stored a new
        // hash of the same password: only looking again can tell.
    }
    Err(Failure::Busy)
}

/// Writes the family in the transaction that touches the user's row: `None` when the user was disabled or removed, or
/// the hash changed, while the password was being checked.
async fn begin_family(
    core: &Core,
    request: &Login,
    known: &KnownClient,
    user: &User,
    verdict: &Verdict,
    now: DateTime<Utc>,
) -> Result<Option<(Family, FamilySecret)>, Failure> {
    let secret = FamilySecret::new(random::bytes());
    let mut family = Family {
        id: FamilyId::new(now, random::bytes()),
        user_id: user.id,
        subject: user.id.to_string(),
        client_id: known.client.id.clone(),
        scope: request.wanted.scope_within(&known.client.scopes)?,
        audiences: request.wanted.audiences_of(&known.client, &core.issuer)?,
        roles: Vec::new(),
        key_thumbprint: None,
        secret_hash: secret.hash(),
        generation: Generation::FIRST,
        base: None,
        rotated_at: now,
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        acr: None,
        sign_in_session: None,
        device: request.device.clone(),
        created_at: now,
        expires_at: now + known.lifetimes.absolute_ttl(),
        state: State::Live,
    };
    let hash = match verdict {
        Verdict::RightOutdated(new) => new,
        Verdict::Right | Verdict::Wrong => &user.password_hash,
    };
    let roles = transaction::retrying(|| async {
        let mut tx = core.db.begin().await?;
        let Some(roles) = users::touch_for_login(&mut tx, user, hash, now).await? else { return Ok(None) };
        families::insert(&mut tx, &Family { roles: roles.clone(), ..family.clone() }).await?;
        tx.commit().await?;
        Ok(Some(roles))
    })
    .await?;
    let Some(roles) = roles else { return Ok(None) };
    family.roles = roles;
    Ok(Some((family, secret)))
}

fn refused(request: &Login) -> Failure {
    audit::login_refused(request.presenter.client_id());
    Refusal::BadCredentials.into()
}
