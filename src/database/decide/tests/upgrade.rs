//! A major upgrade: only with leave, in the window, and with the parameter group that AWS wants beside it.

use super::*;
use crate::decision;
use crate::testing::{SUNDAY, WEDNESDAY};

fn upgrade(group: Option<&str>) -> Step {
    modify(Changes {
        engine_version: Some("17".into()),
        major_upgrade: true,
        parameter_group: group.map(str::to_owned),
        ..Changes::default()
    })
}

/// The settled object with this spec, which asks for 17 since.
fn asked(settled: &Object) -> Object {
    settled.but(|scene| {
        scene.spec.engine_version = "17".into();
        scene.spec.allow_major_version_upgrade = true;
    })
}

fn group(major: u32, parameters: &[(&str, &str)]) -> ParameterGroup {
    ParameterGroup {
        name: format!("shop-postgres{major}"),
        parameters: map(parameters),
        tags: Some(tagged(KIND, &[("team", "core")])),
    }
}

#[test]
fn a_major_upgrade_needs_leave_and_its_window() {
    let without = asked(&settled()).but(|scene| scene.spec.allow_major_version_upgrade = false);
    let sunday = asked(&settled()).but(|scene| scene.now = time(SUNDAY));
    assert_eq!(settled().now, time(WEDNESDAY));
    check(vec![
        ("without leave", decided(&without, &present()), calm().pending("ChangeImpossible")),
        ("outside the window", decided(&asked(&settled()), &present()), calm().holding(vec![upgrade(None)])),
        ("inside", decided(&sunday, &present()), calm().doing(vec![upgrade(None)])),
        (
            "with somebody's group, which AWS does not take along",
            decided(&sunday, &with(|instance| instance.parameter_group = "theirs".into())),
            calm().doing(vec![upgrade(Some("default.postgres17"))]),
        ),
    ]);
}

#[test]
fn with_parameters_the_group_of_the_new_family_comes_first_and_the_old_one_goes_last() {
    let parameters = json!({ "parameters": { "log_statement": "ddl" } });
    let set = [("log_statement", "ddl")];
    let tuned = |version: &str, group_of: u32| {
        let used = group(group_of, &set);
        Seen {
            used_parameters: Some(used.parameters.clone()),
            own_group: Some(used.clone()),
            ..with(|instance| {
                instance.engine_version = version.into();
                instance.parameter_group = used.name.clone();
            })
        }
    };
    let before = settled_as(spec(parameters), &tuned("16.4", 16));
    let sunday = asked(&before).but(|scene| scene.now = time(SUNDAY));
    let no_group_yet = Seen { own_group: None, ..tuned("16.4", 16) };
    let make = [
        Step::CreateParameterGroup {
            name: "shop-postgres17".into(),
            family: "postgres17".into(),
            tags: tagged(KIND, &[("team", "core")]),
        },
        Step::ModifyParameterGroup {
            name: "shop-postgres17".into(),
            set: map(&set),
            reset: std::collections::BTreeSet::new(),
            in_use: false,
        },
    ];
    let all = make.iter().cloned().chain([upgrade(Some("shop-postgres17"))]).collect();
    check(vec![
        (
            "before the window: the group is made, and given with the upgrade only",
            decided(&asked(&before), &no_group_yet),
            calm().doing(make.to_vec()).holding(vec![upgrade(Some("shop-postgres17"))]),
        ),
        ("inside: everything in one plan", decided(&sunday, &no_group_yet), calm().doing(all)),
    ]);
    let upgraded = Seen { former_group: Some(group(16, &set)), ..tuned("17.6", 17) };
    let gone = Step::DeleteParameterGroup { name: "shop-postgres16".into() };
    let decision = decided(&sunday, &upgraded);
    assert_eq!(decision.steps, [gone]);
    let recorded =
        |decision: &Decision<Step>| decision.facts.applied.as_ref().and_then(|a| a.get("parameterGroup").cloned());
    assert_eq!(recorded(&decision).as_deref(), Some("shop-postgres16"), "remembered until it is gone");
    let done = decided(&sunday, &tuned("17.6", 17));
    assert_eq!((done.steps.len(), recorded(&done).as_deref()), (0, Some("shop-postgres17")));
    let elsewhere = Seen {
        own_group: Some(group(17, &set)),
        former_group: Some(group(17, &set)),
        ..with(|instance| {
            instance.engine_version = "17.6".into();
            instance.parameter_group = "default.postgres17".into();
        })
    };
    let back = modify(Changes { parameter_group: Some("shop-postgres17".into()), ..Changes::default() });
    let repointed = decided(&sunday.clone().told(&done), &elsewhere);
    assert_eq!(repointed.steps, [back], "the wanted group stays, though somebody took the instance off it");
    let theirs = ParameterGroup { tags: Some(map(&[])), ..group(16, &set) };
    let left = decided(&sunday, &Seen { former_group: Some(theirs), ..tuned("17.6", 17) });
    assert_eq!(left.steps, [], "a group that is not ours is left alone");
}

#[test]
fn an_upgrade_that_aws_gave_up_is_not_tried_again_by_itself() {
    let sunday = asked(&settled()).but(|scene| scene.now = time(SUNDAY));
    let asked_for = decided(&sunday, &present());
    let [step] = asked_for.steps.as_slice() else { panic!("{:?}", asked_for.steps) };
    let (key, version) = decision::Step::settles(step).expect("it is written down");
    let remembered = sunday.told(&asked_for).but(|scene| {
        scene.status.applied.get_or_insert_default().insert(key.clone(), version.clone());
    });
    let during = |status: &str| {
        with(|instance| {
            instance.status = status.into();
            instance.pending.engine_version = Some("17.6".into());
        })
    };
    let at_work = decided(&remembered, &during("upgrading"));
    let recorded = at_work.facts.applied.unwrap_or_default();
    assert_eq!((recorded.get(&key), recorded["engineVersion"].as_str()), (Some(&version), "16.4"));
    let again = remembered.clone().but(|scene| scene.spec.allow_major_version_upgrade = false);
    let forgotten = decided(&again, &present());
    assert_eq!(forgotten.facts.applied.as_ref().and_then(|applied| applied.get(&key)), None);
    let once_more = again.told(&forgotten).but(|scene| scene.spec.allow_major_version_upgrade = true);
    check(vec![
        ("accepted", decided(&remembered, &during("available")), calm()),
        ("given up", decided(&remembered, &present()), calm().pending("ChangeImpossible")),
        ("leave taken back and given again", decided(&once_more, &present()), calm().doing(vec![upgrade(None)])),
    ]);
    let said = decided(&remembered, &present()).pending.expect("it waits").message;
    assert!(said.contains("describe-events") && said.contains("to false and to true again"), "{said}");
}

#[test]
fn rule_11_a_major_version_that_validation_did_not_see_is_not_lowered() {
    let upgraded = with(|instance| {
        instance.engine_version = "17.6".into();
        instance.parameter_group = "default.postgres17".into();
    });
    let allowed = settled().but(|scene| scene.spec.allow_major_version_upgrade = true);
    let row = calm().drifted("engineVersion", DriftAction::Blocked);
    check(vec![("upgraded behind our back", decided(&allowed, &upgraded), row)]);
}
