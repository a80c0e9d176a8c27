//! Clocks that are wrong: the service's `Date` says so, and its windows are planned with its time.

use chrono::TimeDelta;

use super::{PASSES, Scenario, hold};
use crate::support::{Lab, now};

fn service_is_off(lab: &Lab, by: TimeDelta) {
    lab.simulator.handle().set_time(now() + by);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_costs_nothing_and_makes_no_gap() {
    hold([
        Scenario {
            name: "our clock is ten minutes behind",
            prepare: |lab| service_is_off(lab, TimeDelta::minutes(10)),
            told: "clock",
            ..PASSES
        },
        Scenario {
            name: "our clock is ten minutes ahead",
            prepare: |lab| service_is_off(lab, TimeDelta::minutes(-10)),
            told: "clock",
            ..PASSES
        },
    ])
    .await;
}
