//! Operations on the account and its connections.

use super::{account_ops, connections, messages};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub(super) static ROUTES: &[Route] = routes! {
    Iot {
        DescribeEndpoint         GET  "/endpoint"                              10 account_ops::describe_endpoint,
        GetThingConnectivityData POST "/things/{thingName}/connectivity-data" 350 connections::connectivity,
    }
    IotData {
        Publish              POST   "/topics/{topic+}"                        0 messages::publish,
        GetRetainedMessage   GET    "/retainedMessage/{topic+}"             500 messages::get_retained,
        ListRetainedMessages GET    "/retainedMessage"                       10 messages::list_retained,
        DeleteConnection     DELETE "/connections/{clientId}"               100 connections::delete,
        GetConnection        GET    "/connections/{clientId}"               100 connections::get,
        SendDirectMessage    POST   "/connections/{clientId}/messages"        0 messages::send_direct,
        ListSubscriptions    GET    "/connections/{clientId}/subscriptions" 100 connections::subscriptions,
    }
};
