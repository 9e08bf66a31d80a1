//! `/admin/clients/{id}/…`: what is done to a client, after one more question.

use std::time::Duration;

use actix_web::{HttpResponse, rt};

use crate::domain::ids::ClientId;
use crate::http::body::Form;
use crate::http::console::client_act::ClientAct;
use crate::http::console::client_page::client_page;
use crate::http::console::form::FormPage;
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::Trouble;
use crate::service::Failure;
use crate::service::admin::views::ClientView;
use crate::service::admin::{clients, families};

/// So many families end in one transaction.
const BATCH: i64 = 500;

/// How long the present secrets of a client go on beside the next.
const OVERLAP: Duration = Duration::from_hours(24);

/// `GET /admin/clients/{id}/{act}`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let (client, act) = asked(seat).await?;
    Ok(question(seat, &client, act))
}

/// `POST /admin/clients/{id}/{act}`
pub(super) async fn take(seat: &Seat, _: Form) -> ConsoleAnswer {
    let (client, act) = asked(seat).await?;
    let (core, id, now) = (&seat.core, &client.client_id, seat.visit.now);
    match act {
        ClientAct::NewSecret => {
            let secret = clients::rotate_secret(core, id, OVERLAP, now).await?;
            // It is told here and never again.
            let client = ClientView { client_secret: Some(secret), ..client };
            Ok(client_page(seat, &client))
        }
        ClientAct::EndLogins => {
            in_the_end(seat, id.clone(), act).await?;
            Ok(seat.done_with_client(id, "client_ended"))
        }
        ClientAct::Remove => {
            in_the_end(seat, id.clone(), act).await?;
            Ok(seat.done("/clients", "client_removed"))
        }
    }
}

/// Ends a client's logins, perhaps a million: what takes long goes on after the answer.
async fn in_the_end(seat: &Seat, id: ClientId, act: ClientAct) -> Result<(), Trouble> {
    let (core, now) = (seat.core.clone(), seat.visit.now);
    let patience = (seat.visit.web.deadline / 2).max(Duration::from_secs(1));
    let ending = rt::spawn(async move {
        match act {
            ClientAct::Remove => clients::remove(&core, &id, BATCH, now).await,
            ClientAct::NewSecret | ClientAct::EndLogins => {
                families::end_of_client(&core, &id, BATCH, now).await
            }
        }
    });
    match tokio::time::timeout(patience, ending).await {
        Ok(Ok(ended)) => Ok(ended.map(drop)?),
        // It was cancelled: the server stops.
        Ok(Err(_)) => Err(Failure::Busy.into()),
        Err(_) => Ok(()),
    }
}

async fn asked(seat: &Seat) -> Result<(ClientView, ClientAct), Trouble> {
    let act: ClientAct = seat.act()?;
    let client = clients::show(&seat.core, &seat.named()?, seat.visit.now).await?;
    if ClientAct::of(&client).any(|known| known == act) { Ok((client, act)) } else { Err(Trouble::Gone) }
}

fn question(seat: &Seat, client: &ClientView, act: ClientAct) -> HttpResponse {
    let id = &client.client_id;
    let page = FormPage {
        text: act.text(),
        name: id.as_str(),
        sentences: &[],
        facts: Vec::new(),
        fields: Vec::new(),
        hidden: Vec::new(),
        action: seat.client_place(id, &format!("/{}", act.as_str())),
        back: seat.client_place(id, ""),
        section: "clients",
    };
    page.show(seat, None)
}
