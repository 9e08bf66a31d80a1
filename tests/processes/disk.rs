//! A disk that is full, and has space again.

use serde_json::json;

use crate::process::{PASSWORD, Place, Server, Tokens, block_on, eventually};
use crate::small_disk::SmallDisk;

fn place(disk: &SmallDisk) -> Place {
    let place = Place::sqlite().with("HEIRLOOM_DATA_DIR", disk.path().to_str().unwrap());
    place.add_user("ana");
    place
}

async fn try_to_log_in(server: &Server) -> u16 {
    server.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.0.as_u16()
}

#[test]
fn a_full_disk_is_told_of_and_forgotten_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount("a full disk", "8m") else { return };
    let server = place(&disk).serve();
    block_on(async {
        let tokens = server.log_in("ana").await;
        disk.fill();
        eventually("nothing can be written", async || try_to_log_in(&server).await == 503).await;
        let (status, json) = server.ready().await;
        assert_eq!((status, &json["reason"]), (503, &"the database takes no writes".into()));
        disk.give_space();
        eventually("it is ready again", async || server.ready().await.0 == 200).await;
        assert_eq!(try_to_log_in(&server).await, 200);
        Tokens::of(server.refresh(&tokens.refresh).await);
    });
}

#[test]
fn a_log_that_fills_the_disk_is_taken_back() {
    let Some(disk) = SmallDisk::mount("a log that fills the disk", "3m") else { return };
    let server = place(&disk).serve();
    block_on(async {
        let mut tokens = server.log_in("ana").await;
        let mut times_full = 0;
        while times_full < 2 {
            let (status, json) = server.refresh(&tokens.refresh).await;
            if status == 200 {
                tokens = Tokens::of((status, json));
                continue;
            }
            assert_eq!(status, 503, "{json}");
            times_full += 1;
            let again = async || server.refresh(&tokens.refresh).await.0 == 200;
            eventually("refreshes go on", again).await;
            tokens = Tokens::of(server.refresh(&tokens.refresh).await);
        }
    });
}
