//! The image is what containers are made of. One that is missing is pulled.

use std::collections::HashMap;

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use wnm_pm::hint::{Hint, Task};
use wnm_pm::process_manager::ManagerError;

use super::engine::Engine;
use super::error::{Doing, EngineError};
use crate::settings::MANAGER;

/// An image as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The engine's id: another one for every build.
    pub id: String,
    /// What it says about itself.
    pub labels: HashMap<String, String>,
}

impl Engine {
    /// An image on this engine; none when it is not there.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn image(&self, image: &str) -> Result<Option<Image>, EngineError> {
        let inspected = self.docker().await?.inspect_image(image).await;
        match inspected.doing(|| format!("inspect the image {image}")) {
            Ok(found) => Ok(Some(Image {
                id: found.id.unwrap_or_default(),
                labels: found.config.and_then(|config| config.labels).unwrap_or_default(),
            })),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that an image is there: pulls it when it is not. The pull's progress is logged at `info` level.
    ///
    /// # Errors
    /// [`ManagerError::Unavailable`] names the image; the hint says how to build it.
    pub async fn ensure_image(&self, image: &str) -> Result<(), ManagerError> {
        if self.image(image).await?.is_some() {
            return Ok(());
        }
        tracing::info!(image, "pulling");
        let pulled = self.pull(image).await;
        match pulled {
            Ok(()) => Ok(()),
            Err(error @ EngineError::Unreachable { .. }) => Err(error.into()),
            Err(EngineError::Refused { said, .. }) => {
                let reason = format!("the image {image} is not on this engine and cannot be pulled: {said}");
                Err(ManagerError::unavailable(MANAGER, reason, build(image)))
            }
        }
    }

    async fn pull(&self, image: &str) -> Result<(), EngineError> {
        let (name, tag) = split(image);
        let mut options = CreateImageOptionsBuilder::new().from_image(name);
        if let Some(tag) = tag {
            options = options.tag(tag);
        }
        let mut news = self.docker().await?.create_image(Some(options.build()), None, None);
        let mut logged = HashMap::new();
        while let Some(piece) = news.next().await {
            let piece = piece.doing(|| format!("pull the image {image}"))?;
            let (Some(layer), Some(status)) = (piece.id, piece.status) else {
                continue;
            };
            // One line per layer and stage: a pull reports every few kilobytes.
            if logged.insert(layer.clone(), status.clone()).as_ref() != Some(&status) {
                tracing::info!(image, layer, "{status}");
            }
        }
        Ok(())
    }
}

/// How to come by an image that cannot be pulled.
#[must_use]
pub fn build(image: &str) -> Hint {
    Hint::run(Task::BuildImage { image: image.to_owned() }).to("build it, or set docker_image to another")
}

/// Name and tag of an image; without a tag, or with a digest, all of it is the name and the tag is left out or `latest`:
/// without one the engine would pull every tag there is.
fn split(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        // A colon before a slash is the port of a registry.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn names_are_split_from_tags() {
        assert_eq!(split("wnm:1"), ("wnm", Some("1")));
        assert_eq!(split("wnm"), ("wnm", Some("latest")));
        assert_eq!(split("localhost:5000/wnm"), ("localhost:5000/wnm", Some("latest")));
        assert_eq!(split("localhost:5000/wnm:1"), ("localhost:5000/wnm", Some("1")));
        assert_eq!(split("wnm@sha256:00"), ("wnm@sha256:00", None));
    }
}
