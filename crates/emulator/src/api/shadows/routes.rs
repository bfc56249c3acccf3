//! Operations on shadows over REST.

use super::{delete_thing_shadow, get_thing_shadow, list_named_shadows, update_thing_shadow};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    IotData {
        GetThingShadow           GET    "/things/{thingName}/shadow"                              4000 get_thing_shadow,
        UpdateThingShadow        POST   "/things/{thingName}/shadow"                              4000 update_thing_shadow,
        DeleteThingShadow        DELETE "/things/{thingName}/shadow"                              4000 delete_thing_shadow,
        ListNamedShadowsForThing GET    "/api/things/shadow/ListNamedShadowsForThing/{thingName}"    0 list_named_shadows,
    }
};
