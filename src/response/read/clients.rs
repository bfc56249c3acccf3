//! Reads under which client ids a thing is connected: what presence told, confirmed by GetConnection, and what the fleet
//! index knows where presence told nothing.

use quell_fleet::Target;
use quell_fleet::model::Name;

use crate::cloud::{Aws, read as cloud};
use crate::response::plan::facts::{ClientFacts, PrincipalFacts};

/// Client ids of one thing that are looked at: the latest.
const MOST: usize = 8;

/// The client ids of a thing, its own name among them; says of the principals which are exclusively the thing's where that
/// matters.
pub(super) async fn of(c: &Aws, target: &Target, principals: &mut [PrincipalFacts]) -> Vec<ClientFacts> {
    let own = &target.thing;
    let mut found = heard(target, principals);
    for client in &mut found {
        client.connected = cloud::connected(c, client.id.raw()).await;
        client.seen |= matches!(client.connected, Ok(Some(_)));
    }
    let unseen = found.iter().all(|client| !client.seen);
    // Where there is no index, or it may not be asked, nobody knows.
    if unseen
        && let Ok(Some(id)) = cloud::indexed_client(c, own.raw()).await
        && id != own.raw()
    {
        let id = Name::new(&id);
        let connected = cloud::connected(c, id.raw()).await;
        found.push(ClientFacts { id, principal: None, seen: true, connected });
    }
    if found.iter().any(|client| client.seen && client.id != *own) {
        exclusive(c, own.raw(), principals).await;
        // The index lists a client under a thing of another name only where its principal is exclusively the thing's.
        let sole = principals.iter().find(|p| p.exclusive == Some(true)).map(|p| p.id().to_owned());
        for client in found.iter_mut().filter(|client| client.id != *own && client.principal.is_none()) {
            client.principal.clone_from(&sole);
        }
    }
    found
}

/// What presence told: the clients seen with the thing's principals, but for those that bear the name of another thing of
/// the same principal; and its own name.
fn heard(target: &Target, principals: &[PrincipalFacts]) -> Vec<ClientFacts> {
    let own = &target.thing;
    let unasked = |id: &Name, principal: Option<&str>, seen| ClientFacts {
        id: id.clone(),
        principal: principal.map(str::to_owned),
        seen,
        connected: Ok(None),
    };
    let mut found: Vec<ClientFacts> = Vec::new();
    for principal in principals {
        for seen in target.clients.of(principal.id()).iter().rev().take(MOST) {
            let of_another = seen.client != *own && principal.things.contains(&seen.client);
            if !of_another && !found.iter().any(|known| known.id == seen.client) {
                found.push(unasked(&seen.client, Some(principal.id()), true));
            }
        }
    }
    if !found.iter().any(|known| known.id == *own) {
        // Somebody may use the thing's name with a principal that is not the thing's.
        let with = target.clients.principals_of(own.raw()).next();
        found.insert(0, unasked(own, with, with.is_some()));
    }
    found.truncate(MOST);
    found
}

/// Says which principals are attached exclusively to the thing. Not every account lets a console ask this: then it is not
/// known.
pub(super) async fn exclusive(c: &Aws, thing: &str, principals: &mut [PrincipalFacts]) {
    // Asked before where the client ids made it matter.
    if principals.iter().all(|principal| principal.exclusive.is_some()) {
        return;
    }
    if let Ok(held) = cloud::exclusive_principals(c, thing).await {
        for principal in principals {
            principal.exclusive = Some(held.contains(&principal.arn));
        }
    }
}
