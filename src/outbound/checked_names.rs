//! Names, as far as they lead where they may. Their addresses are the ones that are connected to, so no second answer
//! of a name server can slip in another.

use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::outbound::addresses::{Reach, may_reach};
use crate::outbound::no_answer::Forbidden;

/// Resolves names to those of their addresses that may be reached.
#[derive(Debug)]
pub(super) struct CheckedNames {
    networks: Arc<[IpNet]>,
    reach: Reach,
}

impl CheckedNames {
    pub(super) fn new(networks: &[IpNet], reach: Reach) -> Self {
        Self { networks: networks.into(), reach }
    }
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, reach) = (Arc::clone(&self.networks), self.reach);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<_> = found.filter(|found| may_reach(found.ip(), reach, &networks)).collect();
            if good.is_empty() { Err(Forbidden.into()) } else { Ok(Box::new(good.into_iter()) as Addrs) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is connected to is what was checked: nothing asks for the name again.
    #[tokio::test]
    async fn a_name_leads_to_those_of_its_addresses_alone_that_may_be_reached() {
        for (networks, expected) in
            [(&["127.0.0.0/8"][..], Some("127.0.0.1")), (&["192.0.2.0/24"], None), (&[], None)]
        {
            let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
            for reach in [Reach::PublicToo, Reach::AllowedOnly] {
                let names = CheckedNames::new(&networks, reach);
                let found = names.resolve("localhost".parse().unwrap()).await;
                let found = found.ok().map(|found| found.map(|it| it.ip().to_string()).collect::<Vec<_>>());
                // A machine may call itself by more addresses than one.
                let wanted = |found: &Vec<String>| found.iter().all(|it| Some(it.as_str()) == expected);
                assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
                assert!(found.as_ref().is_none_or(wanted), "{found:?}");
            }
        }
    }
}
