//! The load: a chain for each seeded family, holding the family's latest refresh token.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::crypto::master_key::{MasterKey, MasterKeys};
use heirloom::domain::ids::{ClientId, FamilyId};
use heirloom::domain::refresh_token::{Generation, RefreshToken};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

/// A refresh token's length: `hrt1_` and 56 bytes in base64url.
pub(crate) const TOKEN: usize = 80;

/// A refresh token as it goes over the wire.
pub(crate) type Token = [u8; TOKEN];

/// The families' tokens. Each is presented only after the one before it was answered.
pub(crate) struct Chains(RefCell<Inner>);

struct Inner {
    tokens: Vec<Token>,
    state: Vec<State>,
    random: SmallRng,
    /// Tokens that were handed out and then refreshed in their turn.
    confirmed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its token was made by the seeding.
    Seeded,
    /// Its token was handed out by the server, and not presented yet.
    HandedOut,
    /// Its token is being presented, and was made by the seeding.
    FirstTurn,
    /// Its token is being presented, and was handed out by the server.
    Turn,
}

impl Chains {
    /// The first `count` clones of the family that `token` belongs to: see [`family_id`].
    pub(crate) fn new(master_key: &str, token: &str, count: usize) -> anyhow::Result<Self> {
        let keys = MasterKeys::parse(master_key)?;
        let client = ClientId::built_in();
        let template = RefreshToken::open(token, &client, keys.iter().map(MasterKey::mac))
            .map_err(|_| anyhow::anyhow!("the server's token does not open under its own master key"))?;
        let of_family = |number| {
            let family = FamilyId(family_id(number));
            let token =
                RefreshToken { family, generation: Generation::FIRST, secret: template.secret.clone() };
            let text = token.encode(&client, keys.active().mac());
            Token::try_from(text.as_bytes()).map_err(|_| anyhow::anyhow!("a token of {} bytes", text.len()))
        };
        let tokens = (0..count).map(of_family).collect::<Result<Vec<_>, _>>()?;
        let state = vec![State::Seeded; tokens.len()];
        let random = SmallRng::seed_from_u64(1);
        Ok(Self(RefCell::new(Inner { tokens, state, random, confirmed: 0 })))
    }

    /// A chain drawn at random from the first `among`, of those whose token is not under way.
    pub(crate) fn draw(&self, among: usize) -> Turn<'_> {
        let mut inner = self.0.borrow_mut();
        loop {
            let count = inner.tokens.len().min(among);
            let chain = inner.random.random_range(0..count);
            if let Some(state) = begun(inner.state[chain]) {
                inner.state[chain] = state;
                return Turn { chain, token: inner.tokens[chain], of: self };
            }
        }
    }

    /// A chain among those whose token was handed out and never presented, looking from `from` on.
    pub(crate) fn unconfirmed(&self, from: usize) -> Option<Turn<'_>> {
        let mut inner = self.0.borrow_mut();
        let chain = (from..inner.tokens.len()).find(|chain| inner.state[*chain] == State::HandedOut)?;
        inner.state[chain] = State::Turn;
        Some(Turn { chain, token: inner.tokens[chain], of: self })
    }

    /// Families that were refreshed at least once.
    pub(crate) fn distinct(&self) -> usize {
        self.0.borrow().tokens.iter().filter(|token| generation(token) > 1).count()
    }

    /// How many tokens that the server handed out were refreshed in their turn.
    pub(crate) fn confirmed(&self) -> u64 {
        self.0.borrow().confirmed
    }
}

fn begun(state: State) -> Option<State> {
    match state {
        State::Seeded => Some(State::FirstTurn),
        State::HandedOut => Some(State::Turn),
        State::FirstTurn | State::Turn => None,
    }
}

/// A chain's token on its way.
pub(crate) struct Turn<'c> {
    /// Which chain.
    pub(crate) chain: usize,
    /// What is presented.
    pub(crate) token: Token,
    of: &'c Chains,
}

impl Turn<'_> {
    /// The successor has come, and the presented token is proven good.
    pub(crate) fn succeeded(self, successor: Token) {
        let mut inner = self.of.0.borrow_mut();
        inner.confirmed += u64::from(inner.state[self.chain] == State::Turn);
        inner.tokens[self.chain] = successor;
        inner.state[self.chain] = State::HandedOut;
    }

    /// It was refused, or there was no answer: the chain keeps what it had.
    pub(crate) fn failed(self) {
        let mut inner = self.of.0.borrow_mut();
        inner.state[self.chain] = match inner.state[self.chain] {
            State::Turn | State::HandedOut => State::HandedOut,
            State::FirstTurn | State::Seeded => State::Seeded,
        };
    }
}

/// The id of the family with this number, in the form of those that the server makes (RFC 9562 §5.7).
pub(crate) fn family_id(number: usize) -> Uuid {
    const FIRST: u128 = 0x019a_c000_0000_7000_8000_0000_0000_0000;
    Uuid::from_u128(FIRST + number as u128)
}

/// The generation that a token names.
pub(crate) fn generation(token: &Token) -> u32 {
    let decoded = URL_SAFE_NO_PAD.decode(&token[5..]).unwrap_or_default();
    decoded.get(20..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}
