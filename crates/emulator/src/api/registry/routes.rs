//! Operations of the registry: things, types, groups, tags, event configurations.

use super::{billing, events, http_groups, http_things, http_types, tags};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateThing                 POST   "/things/{thingName}"                     100 http_things::create,
        DescribeThing               GET    "/things/{thingName}"                     350 http_things::describe,
        UpdateThing                 PATCH  "/things/{thingName}"                     100 http_things::update,
        DeleteThing                 DELETE "/things/{thingName}"                     100 http_things::delete,
        ListThings                  GET    "/things"                                  10 http_things::list,
        CreateThingType             POST   "/thing-types/{thingTypeName}"             10 http_types::create,
        DescribeThingType           GET    "/thing-types/{thingTypeName}"             10 http_types::describe,
        UpdateThingType             PATCH  "/thing-types/{thingTypeName}"             10 http_types::update,
        ListThingTypes              GET    "/thing-types"                             10 http_types::list,
        DeprecateThingType          POST   "/thing-types/{thingTypeName}/deprecate"   10 http_types::deprecate,
        DeleteThingType             DELETE "/thing-types/{thingTypeName}"             10 http_types::delete,
        CreateThingGroup            POST   "/thing-groups/{thingGroupName}"           25 http_groups::create,
        DescribeThingGroup          GET    "/thing-groups/{thingGroupName}"          100 http_groups::describe,
        UpdateThingGroup            PATCH  "/thing-groups/{thingGroupName}"           25 http_groups::update,
        DeleteThingGroup            DELETE "/thing-groups/{thingGroupName}"           15 http_groups::delete,
        ListThingGroups             GET    "/thing-groups"                            10 http_groups::list,
        CreateDynamicThingGroup     POST   "/dynamic-thing-groups/{thingGroupName}"    5 http_groups::create_dynamic,
        UpdateDynamicThingGroup     PATCH  "/dynamic-thing-groups/{thingGroupName}"    5 http_groups::update_dynamic,
        DeleteDynamicThingGroup     DELETE "/dynamic-thing-groups/{thingGroupName}"    5 http_groups::delete_dynamic,
        AddThingToThingGroup        PUT    "/thing-groups/addThingToThingGroup"      100 http_groups::add,
        RemoveThingFromThingGroup   PUT    "/thing-groups/removeThingFromThingGroup" 100 http_groups::remove,
        UpdateThingGroupsForThing   PUT    "/thing-groups/updateThingGroupsForThing"  10 http_groups::update_for_thing,
        ListThingsInThingGroup      GET    "/thing-groups/{thingGroupName}/things"    25 http_groups::list_things,
        ListThingGroupsForThing     GET    "/things/{thingName}/thing-groups"        100 http_groups::list_for_thing,
        CreateBillingGroup          POST   "/billing-groups/{billingGroupName}"          25 billing::create,
        DescribeBillingGroup        GET    "/billing-groups/{billingGroupName}"         100 billing::describe,
        UpdateBillingGroup          PATCH  "/billing-groups/{billingGroupName}"          15 billing::update,
        DeleteBillingGroup          DELETE "/billing-groups/{billingGroupName}"          15 billing::delete,
        ListBillingGroups           GET    "/billing-groups"                             10 billing::list,
        AddThingToBillingGroup      PUT    "/billing-groups/addThingToBillingGroup"      60 billing::add,
        RemoveThingFromBillingGroup PUT    "/billing-groups/removeThingFromBillingGroup" 15 billing::remove,
        ListThingsInBillingGroup    GET    "/billing-groups/{billingGroupName}/things"   25 billing::list_things,
        TagResource                 POST   "/tags"                                    10 tags::tag,
        UntagResource               POST   "/untag"                                   10 tags::untag,
        ListTagsForResource         GET    "/tags"                                    10 tags::list,
        DescribeEventConfigurations GET    "/event-configurations"                    10 events::describe,
        UpdateEventConfigurations   PATCH  "/event-configurations"                    10 events::update,
    }
};
