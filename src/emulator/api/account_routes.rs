//! Operations on the account and its connections.

use super::{account_ops, connections};
use crate::emulator::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub(super) static ROUTES: &[Route] = routes! {
    Iot {
        DescribeEndpoint         GET  "/endpoint"                              10 account_ops::describe_endpoint,
        GetThingConnectivityData POST "/things/{thingName}/connectivity-data" 350 connections::connectivity,
    }
    IotData {
        Publish           POST   "/topics/{topic+}"                        0 connections::publish,
        DeleteConnection  DELETE "/connections/{clientId}"               100 connections::delete,
        GetConnection     GET    "/connections/{clientId}"               100 connections::get,
        ListSubscriptions GET    "/connections/{clientId}/subscriptions" 100 connections::subscriptions,
        SendDirectMessage POST   "/connections/{clientId}/messages"        0 connections::send_direct,
        GetRetainedMessage   GET "/retainedMessage/{topic+}"             500 connections::retained_message,
        ListRetainedMessages GET "/retainedMessage"                       10 connections::retained_messages,
    }
};
