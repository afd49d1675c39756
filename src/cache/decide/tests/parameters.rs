//! Parameter groups of the cache's own.

use super::*;
use crate::testing::SUNDAY;

const OWN: &str = "shop-redis7";
const DEFAULT: &str = "default.redis7";
const TUNED: &[(&str, &str)] = &[("databases", "32"), ("maxmemory-policy", "allkeys-lru")];

fn tuned_spec() -> ShowCoreCacheSpec {
    spec(json!({ "parameters": map(TUNED) }))
}

fn group_of(name: &str, parameters: &[(&str, &str)], tags: BTreeMap<String, String>) -> ParameterGroup {
    ParameterGroup { name: name.into(), parameters: map(parameters), tags: Some(tags) }
}

/// As a quiet look sees it: nothing is to be written, so its tags are not read.
fn quiet(name: &str, parameters: &[(&str, &str)]) -> ParameterGroup {
    ParameterGroup { name: name.into(), parameters: map(parameters), tags: None }
}

fn ours() -> BTreeMap<String, String> {
    tagged(KIND, &[])
}

/// The member uses this group, and these of its own are there.
fn using(used: &str, groups: Vec<ParameterGroup>) -> Seen {
    let seen = with_member(|member| member.parameter_group = used.into());
    Seen { parameter_groups: Some(groups), ..seen }
}

fn own(parameters: &[(&str, &str)]) -> Seen {
    using(OWN, vec![group_of(OWN, parameters, ours())])
}

fn as_wanted() -> Seen {
    using(OWN, vec![quiet(OWN, TUNED)])
}

fn tuned() -> Object {
    settled_as(tuned_spec(), &as_wanted())
}

fn set(name: &str, set: &[(&str, &str)], reset: &[&str]) -> Step {
    let reset = reset.iter().map(|key| (*key).to_owned()).collect();
    Step::ModifyParameterGroup { name: name.into(), set: map(set), reset }
}

fn make(name: &str, family: &str) -> Step {
    Step::CreateParameterGroup { name: name.into(), family: family.into(), tags: tagged(KIND, &[("team", "core")]) }
}

fn delete(name: &str) -> Step {
    Step::DeleteParameterGroup { name: name.into() }
}

fn attach(group: &str) -> Step {
    modify(|changes| changes.parameter_group = Some(group.into()))
}

fn creating() -> Outcome<Step> {
    Outcome::rest("Working Creating", "Unknown")
}

#[test]
fn a_group_of_its_own_is_made_before_a_cache_that_has_parameters() {
    let wants = applied().but(|scene| scene.spec = tuned_spec());
    let waiting =
        |groups| Seen { secret: secret("s1", connection_of(None)), parameter_groups: Some(groups), ..nothing() };
    let create = || created_with(Some("s1"), |create| create.parameter_group = Some(OWN.into()));
    let smuggled = wants.but(|scene| {
        scene.spec.parameters = map(&[("cluster-enabled", "yes"), ("timeout", "60")]);
    });
    check(vec![
        (
            "none yet",
            decided(&wants, &waiting(vec![])),
            creating().doing(vec![make(OWN, "redis7"), set(OWN, TUNED, &[]), create()]),
        ),
        (
            "made already, nothing set",
            decided(&wants, &waiting(vec![group_of(OWN, &[], ours())])),
            creating().doing(vec![set(OWN, TUNED, &[]), create()]),
        ),
        (
            "made and set",
            decided(&wants, &waiting(vec![group_of(OWN, TUNED, ours())])),
            creating().doing(vec![create()]),
        ),
        (
            "rule 3: somebody else's is not written to, and the cache not made",
            decided(&wants, &waiting(vec![group_of(OWN, &[], map(&[]))])),
            Outcome::rest("Stalled NotOurs", "Unknown"),
        ),
        (
            "shards are not made by a parameter, whatever validation let through",
            decided(&smuggled, &waiting(vec![])),
            creating().doing(vec![make(OWN, "redis7"), set(OWN, &[("timeout", "60")], &[]), create()]),
        ),
    ]);
}

#[test]
fn a_running_cache_gets_its_group_and_goes_back_to_awss_default() {
    use DriftAction::Pending;
    let wants = || settled().but(|scene| scene.spec = tuned_spec());
    let policy = &[("maxmemory-policy", "allkeys-lru")];
    let left = || tuned().but(|scene| scene.spec.parameters.clear());
    let gone_from_spec = left().told(&decided(&left(), &own(TUNED)));
    let on_default = |groups| using(DEFAULT, groups);
    let reset = || set(OWN, &[], &["databases"]);
    check(vec![
        (
            "wanted: what is taken up at a reboot only waits until the group is used",
            decided(&wants(), &on_default(vec![])),
            calm().doing(vec![make(OWN, "redis7"), set(OWN, policy, &[]), attach(OWN)]),
        ),
        (
            "made, and AWS is busy",
            decided(
                &wants(),
                &Seen {
                    group: with_status("snapshotting").group,
                    tags: None,
                    ..on_default(vec![group_of(OWN, policy, ours())])
                },
            ),
            calm().waiting_for_aws(),
        ),
        (
            "rule 3: somebody else's of that name is neither written to nor used",
            decided(&wants(), &on_default(vec![group_of(OWN, policy, map(&[]))])),
            Outcome::rest("Stalled NotOurs", "Yes AWSOwnedKey"),
        ),
        (
            "used: the rest is set",
            decided(&wants(), &own(policy)),
            calm().doing(vec![set(OWN, &[("databases", "32")], &[])]),
        ),
        ("as wanted", decided(&tuned(), &as_wanted()), calm()),
        (
            "left the spec: what must be as in the default group is put back first",
            decided(&left(), &own(TUNED)),
            calm().doing(vec![reset(), attach(DEFAULT)]),
        ),
        ("left the spec: nothing of that kind", decided(&left(), &own(policy)), calm().doing(vec![attach(DEFAULT)])),
        (
            "left the spec, the default group is used: the own one goes",
            decided(&gone_from_spec, &on_default(vec![group_of(OWN, policy, ours())])),
            calm().doing(vec![delete(OWN)]),
        ),
        ("gone", decided(&gone_from_spec, &on_default(vec![])), calm()),
        (
            "somebody took over the name: it is left alone",
            decided(&gone_from_spec, &on_default(vec![group_of(OWN, policy, map(&[]))])),
            calm(),
        ),
        ("somebody's group, and no parameters: left alone", decided(&settled(), &using("theirs", vec![])), calm()),
        (
            "somebody's group of an own name, and no parameters: left alone",
            decided(&settled(), &using(OWN, vec![group_of(OWN, policy, map(&[]))])),
            calm(),
        ),
        (
            "somebody attached another",
            decided(&tuned(), &using("theirs", vec![group_of(OWN, TUNED, ours())])),
            calm().doing(vec![attach(OWN)]).drifted("parameterGroup", Pending),
        ),
    ]);
    let recorded = decided(&tuned(), &as_wanted()).facts.applied.unwrap_or_default();
    assert_eq!(recorded.get("ownParameterGroup.shop-redis7").map(String::as_str), Some("made"));
    let after = decided(&gone_from_spec, &on_default(vec![])).facts.applied.unwrap_or_default();
    assert!(!after.keys().any(|entry| entry.contains(OWN)), "{after:?}");
}

#[test]
fn parameters_are_set_put_back_and_left_alone_as_they_are_ours_or_not() {
    use DriftAction::{Pending, ReportOnly};
    let drifted = || own(&[("databases", "32"), ("maxmemory-policy", "noeviction")]);
    let back = || set(OWN, &[("maxmemory-policy", "allkeys-lru")], &[]);
    let row = "parameters.maxmemory-policy";
    let changed = |change: fn(&mut BTreeMap<String, String>)| tuned().but(|scene| change(&mut scene.spec.parameters));
    let longer = changed(|parameters| {
        parameters.remove("databases");
        parameters.insert("timeout".into(), "60".into());
    });
    let foreign = || Seen {
        parameter_groups: Some(vec![group_of(OWN, &[("maxmemory-policy", "noeviction")], map(&[]))]),
        ..as_wanted()
    };
    let with_theirs: Vec<_> = TUNED.iter().copied().chain([("timeout", "5")]).collect();
    let reboots = |seen: Seen| Seen {
        member: seen.member.map(|member| Member { parameter_status: "pending-reboot".into(), ..member }),
        ..seen
    };
    check(vec![
        ("drifted", decided(&tuned(), &drifted()), calm().doing(vec![back()]).drifted(row, Pending)),
        ("drifted, Report", decided(&tuned().report(), &drifted()), calm().drifted(row, ReportOnly)),
        (
            "one left, one new",
            decided(&longer, &own(TUNED)),
            calm().doing(vec![set(OWN, &[("timeout", "60")], &["databases"])]),
        ),
        (
            "under Report a drifted one stays beside a wanted change",
            decided(&longer.report(), &drifted()),
            calm().doing(vec![set(OWN, &[("timeout", "60")], &["databases"])]).drifted(row, ReportOnly),
        ),
        ("somebody set another in it", decided(&tuned(), &own(&with_theirs)), calm()),
        (
            "its tags are somebody else's now: not written to",
            decided(&tuned(), &foreign()),
            Outcome::rest("Stalled NotOurs", "Yes AWSOwnedKey")
                .drifted("parameters.databases", Pending)
                .drifted(row, Pending),
        ),
        ("set, and waiting for a reboot", decided(&tuned(), &reboots(as_wanted())), calm().pending("AwaitingReboot")),
        (
            "likewise in the window: a reboot empties the node, so it is never ours",
            decided(&tuned().at(SUNDAY), &reboots(as_wanted())),
            calm().pending("AwaitingReboot"),
        ),
        (
            "somebody's group waits for a reboot: theirs to make",
            decided(&settled(), &reboots(using("theirs", vec![]))),
            calm(),
        ),
    ]);
    let unread = Seen { member: None, parameter_groups: None, ..as_wanted() };
    let kept = decided(&tuned(), &unread).facts.applied.unwrap_or_default();
    let before = tuned().status.applied.unwrap_or_default();
    for entry in ["parameters.databases", "parameterGroup", "ownParameterGroup.shop-redis7"] {
        assert!(kept.contains_key(entry) && kept.get(entry) == before.get(entry), "{entry} stays: {kept:?}");
    }
    let why = decided(&tuned(), &reboots(as_wanted())).pending.expect("it is said").message;
    assert!(why.contains("reboot-cache-cluster --cache-cluster-id shop-001"), "{why}");
}

#[test]
fn an_upgrade_to_another_family_takes_a_group_of_that_family_along() {
    const OLD: &str = "shop-redis6-x";
    let six = |member: &mut Member| {
        member.engine_version = "6.2.6".into();
        member.parameter_group = OLD.into();
    };
    let seen = |groups| Seen { parameter_groups: Some(groups), ..with_member(six) };
    let spec_of = |version: &str| ShowCoreCacheSpec { engine_version: Some(version.into()), ..tuned_spec() };
    let old = settled_as(spec_of("6.2"), &seen(vec![quiet(OLD, TUNED)]));
    let wants = old.but(|scene| scene.spec = spec_of("7.1"));
    let upgrade = || {
        modify(|changes| {
            changes.engine_version = Some("7.1".into());
            changes.parameter_group_of_version = Some(OWN.into());
        })
    };
    let both = || vec![group_of(OLD, TUNED, ours()), group_of(OWN, TUNED, ours())];
    let upgraded =
        |groups| Seen { parameter_groups: Some(groups), ..with_member(|member| member.parameter_group = OWN.into()) };
    let told = wants.clone().told(&decided(&wants, &seen(both())));
    let plain = settled_as(
        ShowCoreCacheSpec { parameters: BTreeMap::new(), ..spec_of("6.2") },
        &Seen {
            parameter_groups: Some(vec![]),
            ..with_member(|member| {
                member.engine_version = "6.2.6".into();
                member.parameter_group = "default.redis6.x".into();
            })
        },
    );
    check(vec![
        (
            "wanted, closed: the group is made, with what the one in use has",
            decided(&wants, &seen(vec![group_of(OLD, TUNED, ours())])),
            calm().doing(vec![make(OWN, "redis7"), set(OWN, TUNED, &[])]).holding(vec![upgrade()]),
        ),
        ("made: only the window is missing", decided(&wants, &seen(both())), calm().holding(vec![upgrade()])),
        ("in the window", decided(&wants.at(SUNDAY), &seen(both())), calm().doing(vec![upgrade()])),
        ("upgraded: the old group goes", decided(&told, &upgraded(both())), calm().doing(vec![delete(OLD)])),
        ("done", decided(&told, &upgraded(vec![quiet(OWN, TUNED)])), calm()),
        (
            "without parameters AWS takes its default group along",
            decided(
                &plain.but(|scene| scene.spec.engine_version = Some("7.1".into())).at(SUNDAY),
                &Seen { parameter_groups: Some(vec![]), ..with_member(six) },
            ),
            calm().doing(vec![modify(|changes| changes.engine_version = Some("7.1".into()))]),
        ),
    ]);
}
