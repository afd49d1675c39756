//! The CRDs of the checkout.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use crate::cache;
use crate::error::{Error, KubeError as _, Result};
use crate::tools;

/// The names and contents of `crds/*.yaml`.
pub fn files() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    cache::contents(&tools::workspace().join("crds"), |path| path.extension().is_some_and(|ending| ending == "yaml"))
}

/// Applies the CRDs and waits until their objects can be listed. Harmless when they are there.
pub async fn install(client: &Client) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut applied = Vec::new();
    for (path, text) in files()? {
        let unusable = |error: &dyn std::fmt::Display| Error::Other(format!("{}: {error}", path.display()));
        let text = String::from_utf8(text).map_err(|error| unusable(&error))?;
        // By way of plain JSON, as the API server would read it.
        let crds: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).map_err(|error| unusable(&error))?;
        for crd in crds {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default();
            let crd = api
                .patch(name, &PatchParams::apply("harness").force(), &Patch::Apply(&crd))
                .await
                .kube(|| format!("apply {name} of {}", path.display()))?;
            applied.push(crd);
        }
    }
    for crd in applied {
        wait_served(client, &crd).await?;
    }
    Ok(())
}

/// "Established" comes a moment before the objects can really be listed: so list them.
async fn wait_served(client: &Client, crd: &CustomResourceDefinition) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    for version in crd.spec.versions.iter().filter(|version| version.served) {
        let gvk = GroupVersionKind::gvk(&crd.spec.group, &version.name, &crd.spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural);
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        loop {
            match objects.list(&ListParams::default().limit(1)).await {
                Ok(_) => break,
                Err(error) if Instant::now() > deadline => {
                    return Err(error).kube(|| format!("list the objects of {} after a minute", crd.name_any()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    Ok(())
}

/// Tries until it succeeds, at most a minute: what a new CRD names is served a moment later.
pub(crate) async fn until_served<F: Future<Output = Result<()>>>(attempt: impl Fn() -> F) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match attempt().await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            result => return result,
        }
    }
}
