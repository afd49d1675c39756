//! What users and outsiders do.

use std::{collections::HashMap, sync::Arc, time::Instant};

use aws_sim::Arrival;
use bytes::Bytes;
use harness::objects;
use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, ValidationDirective},
};
use serde_json::{Value, json};

use super::{KINDS, LOOK, PATIENCE, World, lock};
use crate::scenario::Step;

/// The lists as they were before the last user's action.
#[derive(Default)]
pub struct Lists {
    before: HashMap<String, Response<Bytes>>,
    due: HashMap<String, Response<Bytes>>,
}

impl Lists {
    /// The next lists are answered by these.
    pub fn come_due(&mut self) {
        self.due = self.before.clone();
    }
}

impl World {
    /// Does one step; a goal is waited for.
    pub async fn perform(self: &Arc<Self>, step: &'static Step) -> anyhow::Result<()> {
        self.wire.stirred();
        match step {
            Step::Apply(yaml) => {
                self.remember_lists().await?;
                self.apply(yaml).await?;
            }
            Step::ApplyAll(yaml) => {
                self.remember_lists().await?;
                self.apply(&yaml()).await?;
            }
            Step::Delete(kind, name) => {
                self.remember_lists().await?;
                self.delete(kind, name).await?;
            }
            Step::Remake(kind, name, yaml) => {
                self.remember_lists().await?;
                let before = self.object(kind, name).map(|object| object["metadata"]["uid"].clone());
                self.delete(kind, name).await?;
                let world = self.clone();
                tokio::spawn(async move {
                    let gone = || world.object(kind, name).map(|object| object["metadata"]["uid"].clone()) != before;
                    if !world.until(PATIENCE, || world.object(kind, name).is_none() || gone()).await {
                        return world.wire.breaks("the deleted object did not go");
                    }
                    // The watch may lag behind the API server, which refuses a name that is still there.
                    if let Err(error) = world.apply(yaml).await {
                        world.wire.breaks(&format!("the object was not made again: {error}"));
                    }
                });
            }
            Step::DeleteNamespace => {
                let namespaces: Api<Namespace> = Api::all(self.ground.client.clone());
                namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
            }
            Step::Outside(change) => {
                change(self);
            }
            Step::Restart => self.kill().await,
            Step::Crds(without) => self.install_crds(without).await?,
            Step::AwaitAll(goal) => {
                let all = || self.ground.objects.all(&self.namespace);
                let late = || all().into_iter().find(|object| !goal.reached(Some(object)));
                if !self.until(PATIENCE * 3, || late().is_none()).await {
                    anyhow::bail!("waited for all: {goal:?}\n{:#}", late().as_deref().unwrap_or(&Value::Null));
                }
            }
            Step::Await(kind, name, goal) => {
                if !self.until(PATIENCE, || self.reached(kind, name, *goal)).await {
                    anyhow::bail!(
                        "waited {PATIENCE:?} for {kind} {name}: {goal:?}\n{:#}",
                        self.object(kind, name).as_deref().unwrap_or(&Value::Null)["status"]
                    );
                }
            }
        }
        Ok(())
    }

    async fn remember_lists(&self) -> anyhow::Result<()> {
        let mut before = HashMap::new();
        for (_, plural) in KINDS {
            let path = format!("/apis/showcore.io/v1alpha1/namespaces/{}/{plural}", self.namespace);
            let request = Request::get(path).body(kube::client::Body::empty())?;
            let (head, body) = self.ground.client.send(request).await?.into_parts();
            let mut answer = Response::new(body.collect().await?.to_bytes());
            if let Some(form) = head.headers.get("content-type") {
                answer.headers_mut().insert("content-type", form.clone());
            }
            before.insert(format!("LIST {plural}"), answer);
        }
        lock(&self.lists).before = before;
        Ok(())
    }

    /// The old answer to this list, if one is due.
    pub fn old_list(&self, arrival: &Arrival) -> Option<Response<Bytes>> {
        lock(&self.lists).due.remove(&arrival.call)
    }

    async fn install_crds(&self, without: &[&str]) -> anyhow::Result<()> {
        anyhow::ensure!(self.scenario.alone, "the CRDs are shared by all scenarios but those that run alone");
        let api: Api<CustomResourceDefinition> = Api::all(self.ground.client.clone());
        for crd in showcore_operator::kinds::crds() {
            let name = crd.name_any();
            let mut crd = serde_json::to_value(&crd)?;
            let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            for field in without {
                spec["properties"].as_object_mut().map(|fields| fields.remove(*field));
            }
            if let Some(rules) = spec["x-kubernetes-validations"].as_array_mut() {
                rules.retain(|rule| !without.iter().any(|field| rule["rule"].to_string().contains(field)));
            }
            api.patch(&name, &PatchParams::apply("harness").force(), &Patch::Apply(&crd)).await?;
        }
        // They are served a moment after they were taken.
        let probe = json!({
            "apiVersion": "showcore.io/v1alpha1",
            "kind": "ShowCoreBucket",
            "metadata": { "name": "probe" },
            "spec": { "bucketName": "probe-{accountID}", "purpose": "Backups", "lifecycle": [] },
        });
        let api = objects::api(&self.ground.client, &self.namespace, "ShowCoreBucket");
        let mut params = PatchParams::apply("probe").dry_run();
        params.field_validation = Some(ValidationDirective::Strict);
        let deadline = Instant::now() + PATIENCE;
        while api.patch("probe", &params, &Patch::Apply(&probe)).await.is_ok() == without.contains(&"lifecycle") {
            anyhow::ensure!(Instant::now() < deadline, "the CRDs are not served");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn apply(&self, yaml: &str) -> anyhow::Result<()> {
        let manifests: Vec<Value> = serde_saphyr::from_multiple(&self.particular_spec(yaml))?;
        let mut applied = Vec::new();
        for manifest in manifests {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&manifest["kind"]), text(&manifest["metadata"]["name"]));
            let api = objects::api(&self.ground.client, &self.namespace, &kind);
            let object = api.patch(&name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
            applied.push((kind, name, object.metadata.generation.unwrap_or_default()));
        }
        // Goals are judged by the watch, which may lag behind: the object before the change had reached them, too.
        let told = |(kind, name, generation): &(String, String, i64)| {
            let seen = self.object(kind, name);
            seen.is_some_and(|object| object["metadata"]["generation"].as_i64() >= Some(*generation))
        };
        self.until(PATIENCE, || applied.iter().all(told)).await;
        Ok(())
    }

    fn particular_spec(&self, yaml: &str) -> String {
        yaml.replace("ACCOUNT", self.account.id())
    }

    async fn delete(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let api = objects::api(&self.ground.client, &self.namespace, kind);
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
