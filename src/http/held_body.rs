//! A request's body, held until the request is answered.
//!
//! A connection whose body was let go before its end waits for the rest of it, for as long as the client likes. One
//! whose body is still held when its answer has been written is closed (RFC 9112 §9.6).

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// Whoever reads the body reads this one.
#[derive(Clone)]
pub(crate) struct HeldBody(Rc<RefCell<Payload>>);

impl HeldBody {
    pub(crate) fn of(request: &mut ServiceRequest) -> Self {
        let held = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(held.clone()) });
        held
    }

    /// The answer, with which goes what is left of the request.
    pub(crate) fn until_answered<B: MessageBody>(&self, answer: B) -> HoldingAnswer<B> {
        HoldingAnswer { body: Box::pin(answer), _held: self.clone() }
    }
}

impl Stream for HeldBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl std::fmt::Debug for HeldBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldBody(…)")
    }
}

/// An answer's body, as long as which the request's is held.
pub(crate) struct HoldingAnswer<B> {
    body: Pin<Box<B>>,
    _held: HeldBody,
}

impl<B: MessageBody> MessageBody for HoldingAnswer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_mut().poll_next(context)
    }
}
