//! The Dockerfile of our image: Debian, s6-overlay, the `ant` user, and the files under `image/rootfs`.
//!
//! It needs no other file, so that it can be piped into `docker build --tag NAME -`: our files are written by `printf`,
//! line by line, since only newer builders understand here-documents.

use wnm_pm::process_manager::ManagerError;

use super::contract::{IMAGE_LABEL, PROGRAM};

/// The version of s6-overlay that the image is made with.
pub const S6_OVERLAY_VERSION: &str = "3.2.1.0";

/// What the image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileOptions {
    /// The image that it begins with: Debian, or something made from it.
    pub base: String,
    /// The version of s6-overlay to fetch; none when `base` has it already.
    pub s6_overlay_version: Option<String>,
    /// Whether antup fetches a node program into the image. Nodes run their own copies on the volume, so that it serves only
    /// those who work in the container by hand.
    pub antup: bool,
}

impl Default for DockerfileOptions {
    fn default() -> Self {
        Self {
            base: "debian:bookworm-slim".to_owned(),
            s6_overlay_version: Some(S6_OVERLAY_VERSION.to_owned()),
            antup: true,
        }
    }
}

/// Our files in the image: path, text, and all of them executable.
const FILES: [(&str, &str); 10] = [
    ("/etc/cont-init.d/10-ant-user", include_str!("../../image/rootfs/etc/cont-init.d/10-ant-user")),
    ("/etc/cont-init.d/15-metrics", include_str!("../../image/rootfs/etc/cont-init.d/15-metrics")),
    ("/etc/cont-init.d/20-wnm-services", include_str!("../../image/rootfs/etc/cont-init.d/20-wnm-services")),
    ("/etc/cont-finish.d/20-wnm-services", include_str!("../../image/rootfs/etc/cont-finish.d/20-wnm-services")),
    ("/usr/local/lib/wnm/nodes", PROGRAM[0].1),
    ("/usr/local/lib/wnm/report", PROGRAM[1].1),
    ("/usr/local/lib/wnm/supervision", PROGRAM[2].1),
    ("/usr/local/lib/wnm/keeper", PROGRAM[3].1),
    ("/usr/local/lib/wnm/run", PROGRAM[4].1),
    ("/usr/local/lib/wnm/finish", PROGRAM[5].1),
];

/// The text of the Dockerfile.
///
/// # Errors
/// [`ManagerError::Unusable`] for a base that is not the name of an image, or a version that is not one.
pub fn dockerfile(options: &DockerfileOptions) -> Result<String, ManagerError> {
    let part_of_name = |character: char| character.is_ascii_alphanumeric() || "._-/:@".contains(character);
    if options.base.is_empty() || !options.base.chars().all(part_of_name) {
        return unusable(format!("the base image {:?}", options.base), "it is not the name of an image");
    }
    let mut steps = vec![head(&options.base), PACKAGES.to_owned()];
    if let Some(version) = &options.s6_overlay_version {
        if version.is_empty() || !version.chars().all(|character| character.is_ascii_digit() || character == '.') {
            return unusable(format!("the s6-overlay version {version:?}"), "versions are like 3.2.1.0");
        }
        steps.push(format!("{S6_OVERLAY_WHY}ARG S6_OVERLAY_VERSION={version}\n{S6_OVERLAY}"));
    }
    steps.push(USER.to_owned());
    if options.antup {
        steps.push(ANTUP.to_owned());
    }
    steps.push(format!("{FILES_WHY}{}", files("")));
    steps.push(foot());
    Ok(steps.join("\n"))
}

fn unusable<T>(what: String, reason: &str) -> Result<T, ManagerError> {
    Err(ManagerError::Unusable { what, reason: reason.to_owned() })
}

fn head(base: &str) -> String {
    format!(
        r#"# The image of wnm's containers: hundreds of nodes under s6. Printed by wnm.
#
#   docker build --tag wnm-nodes:1 - <Dockerfile
#
# and `wnm-nodes:1` is the setting docker_image.
FROM {base}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
"#
    )
}

const PACKAGES: &str = r"RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        busybox-static ca-certificates conntrack curl iproute2 iptables iputils-ping nftables procps xz-utils && \
    apt-get clean && \
    rm -rf /var/lib/apt/lists/*
";

const S6_OVERLAY_WHY: &str = "# s6-overlay, each part checked against the checksum that is published beside it.\n";

const S6_OVERLAY: &str = r#"RUN case "$(dpkg --print-architecture)" in \
        amd64) architecture=x86_64 ;; \
        arm64) architecture=aarch64 ;; \
        armhf) architecture=armhf ;; \
        *) echo "there is no s6-overlay for $(dpkg --print-architecture)" >&2; exit 1 ;; \
    esac && \
    cd /tmp && \
    for part in noarch "$architecture"; do \
        tarball="s6-overlay-$part.tar.xz"; \
        for file in "$tarball" "$tarball.sha256"; do \
            curl --fail --silent --show-error --location --retry 3 --output "$file" \
                "https://github.com/just-containers/s6-overlay/releases/download/v$S6_OVERLAY_VERSION/$file"; \
        done; \
        sha256sum --check --strict "$tarball.sha256"; \
        tar --directory / --extract --xz --preserve-permissions --file "$tarball"; \
        rm "$tarball" "$tarball.sha256"; \
    done
"#;

const USER: &str = "# Nodes run as this user and cannot become root; its ids are set when a container starts.
RUN useradd --create-home --shell /bin/bash ant
";

const ANTUP: &str = r#"USER ant
RUN export HOME=/home/ant && \
    curl --fail --silent --show-error --location https://raw.githubusercontent.com/maidsafe/antup/main/install.sh | bash && \
    "$HOME/.local/bin/antup" node && \
    "$HOME/.local/bin/antnode" --version
USER root
"#;

/// The step that writes our files below this root (nothing: the image's own).
fn files(root: &str) -> String {
    let mut folders: Vec<String> =
        FILES.iter().filter_map(|(path, _)| Some(format!("{root}{}", path.rsplit_once('/')?.0))).collect();
    folders.dedup();
    let mut commands = vec![format!("mkdir -p {}", folders.join(" "))];
    commands.extend(FILES.iter().map(|(path, text)| {
        let lines: Vec<String> =
            text.lines().map(|line| format!("        '{}' \\\n", line.replace('\'', r"'\''"))).collect();
        format!("printf '%s\\n' \\\n{}        >{root}{path}", lines.concat())
    }));
    let paths: Vec<String> = FILES.iter().map(|(path, _)| format!("        {root}{path}")).collect();
    commands.push(format!("chmod 755 \\\n{}", paths.join(" \\\n")));
    format!("RUN {}\n", commands.join(" && \\\n    "))
}

const FILES_WHY: &str = "# What wnm does when a container starts and ends, and what controls its nodes.\n";

/// The environment of s6-overlay.
const ENVIRONMENT: &str = "S6_BEHAVIOUR_IF_STAGE2_FAILS=2 S6_CMD_WAIT_FOR_SERVICES_MAXTIME=0 S6_KILL_FINISH_MAXTIME=120000 S6_KILL_GRACETIME=300";

/// ant's programs come last on the path: root must not run what a node could have put there.
fn foot() -> String {
    let (label, value) = IMAGE_LABEL;
    format!(
        r#"ENV PATH=/command:$PATH:/home/ant/.local/bin
# A container ends when its one-shots fail; they have no time limit; nodes have two minutes to end, and s6 then waits no longer.
ENV {ENVIRONMENT}
LABEL {label}={value} org.opencontainers.image.title="wnm nodes"
ENTRYPOINT ["/init"]
CMD ["sleep", "infinity"]
"#
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The Dockerfile without the lines of our files.
    fn outline(options: &DockerfileOptions) -> String {
        let text = dockerfile(options).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("        '"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_image_is_made_like_this() {
        insta::assert_snapshot!(outline(&DockerfileOptions::default()), @r#"
        # The image of wnm's containers: hundreds of nodes under s6. Printed by wnm.
        #
        #   docker build --tag wnm-nodes:1 - <Dockerfile
        #
        # and `wnm-nodes:1` is the setting docker_image.
        FROM debian:bookworm-slim
        SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

        RUN apt-get update && \
            DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
                busybox-static ca-certificates conntrack curl iproute2 iptables iputils-ping nftables procps xz-utils && \
            apt-get clean && \
            rm -rf /var/lib/apt/lists/*

        # s6-overlay, each part checked against the checksum that is published beside it.
        ARG S6_OVERLAY_VERSION=3.2.1.0
        RUN case "$(dpkg --print-architecture)" in \
                amd64) architecture=x86_64 ;; \
                arm64) architecture=aarch64 ;; \
                armhf) architecture=armhf ;; \
                *) echo "there is no s6-overlay for $(dpkg --print-architecture)" >&2; exit 1 ;; \
            esac && \
            cd /tmp && \
            for part in noarch "$architecture"; do \
                tarball="s6-overlay-$part.tar.xz"; \
                for file in "$tarball" "$tarball.sha256"; do \
                    curl --fail --silent --show-error --location --retry 3 --output "$file" \
                        "https://github.com/just-containers/s6-overlay/releases/download/v$S6_OVERLAY_VERSION/$file"; \
                done; \
                sha256sum --check --strict "$tarball.sha256"; \
                tar --directory / --extract --xz --preserve-permissions --file "$tarball"; \
                rm "$tarball" "$tarball.sha256"; \
            done

        # Nodes run as this user and cannot become root; its ids are set when a container starts.
        RUN useradd --create-home --shell /bin/bash ant

        USER ant
        RUN export HOME=/home/ant && \
            curl --fail --silent --show-error --location https://raw.githubusercontent.com/maidsafe/antup/main/install.sh | bash && \
            "$HOME/.local/bin/antup" node && \
            "$HOME/.local/bin/antnode" --version
        USER root

        # What wnm does when a container starts and ends, and what controls its nodes.
        RUN mkdir -p /etc/cont-init.d /etc/cont-finish.d /usr/local/lib/wnm && \
            printf '%s\n' \
                >/etc/cont-init.d/10-ant-user && \
            printf '%s\n' \
                >/etc/cont-init.d/15-metrics && \
            printf '%s\n' \
                >/etc/cont-init.d/20-wnm-services && \
            printf '%s\n' \
                >/etc/cont-finish.d/20-wnm-services && \
            printf '%s\n' \
                >/usr/local/lib/wnm/nodes && \
            printf '%s\n' \
                >/usr/local/lib/wnm/report && \
            printf '%s\n' \
                >/usr/local/lib/wnm/supervision && \
            printf '%s\n' \
                >/usr/local/lib/wnm/keeper && \
            printf '%s\n' \
                >/usr/local/lib/wnm/run && \
            printf '%s\n' \
                >/usr/local/lib/wnm/finish && \
            chmod 755 \
                /etc/cont-init.d/10-ant-user \
                /etc/cont-init.d/15-metrics \
                /etc/cont-init.d/20-wnm-services \
                /etc/cont-finish.d/20-wnm-services \
                /usr/local/lib/wnm/nodes \
                /usr/local/lib/wnm/report \
                /usr/local/lib/wnm/supervision \
                /usr/local/lib/wnm/keeper \
                /usr/local/lib/wnm/run \
                /usr/local/lib/wnm/finish

        ENV PATH=/command:$PATH:/home/ant/.local/bin
        # A container ends when its one-shots fail; they have no time limit; nodes have two minutes to end, and s6 then waits no longer.
        ENV S6_BEHAVIOUR_IF_STAGE2_FAILS=2 S6_CMD_WAIT_FOR_SERVICES_MAXTIME=0 S6_KILL_FINISH_MAXTIME=120000 S6_KILL_GRACETIME=300
        LABEL wnm.contract=1 org.opencontainers.image.title="wnm nodes"
        ENTRYPOINT ["/init"]
        CMD ["sleep", "infinity"]
        "#);
    }

    #[test]
    fn a_base_that_has_everything_gets_our_files() {
        let options = DockerfileOptions { base: "mine:2".to_owned(), s6_overlay_version: None, antup: false };
        insta::assert_snapshot!(outline(&options), @r#"
        # The image of wnm's containers: hundreds of nodes under s6. Printed by wnm.
        #
        #   docker build --tag wnm-nodes:1 - <Dockerfile
        #
        # and `wnm-nodes:1` is the setting docker_image.
        FROM mine:2
        SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

        RUN apt-get update && \
            DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
                busybox-static ca-certificates conntrack curl iproute2 iptables iputils-ping nftables procps xz-utils && \
            apt-get clean && \
            rm -rf /var/lib/apt/lists/*

        # Nodes run as this user and cannot become root; its ids are set when a container starts.
        RUN useradd --create-home --shell /bin/bash ant

        # What wnm does when a container starts and ends, and what controls its nodes.
        RUN mkdir -p /etc/cont-init.d /etc/cont-finish.d /usr/local/lib/wnm && \
            printf '%s\n' \
                >/etc/cont-init.d/10-ant-user && \
            printf '%s\n' \
                >/etc/cont-init.d/15-metrics && \
            printf '%s\n' \
                >/etc/cont-init.d/20-wnm-services && \
            printf '%s\n' \
                >/etc/cont-finish.d/20-wnm-services && \
            printf '%s\n' \
                >/usr/local/lib/wnm/nodes && \
            printf '%s\n' \
                >/usr/local/lib/wnm/report && \
            printf '%s\n' \
                >/usr/local/lib/wnm/supervision && \
            printf '%s\n' \
                >/usr/local/lib/wnm/keeper && \
            printf '%s\n' \
                >/usr/local/lib/wnm/run && \
            printf '%s\n' \
                >/usr/local/lib/wnm/finish && \
            chmod 755 \
                /etc/cont-init.d/10-ant-user \
                /etc/cont-init.d/15-metrics \
                /etc/cont-init.d/20-wnm-services \
                /etc/cont-finish.d/20-wnm-services \
                /usr/local/lib/wnm/nodes \
                /usr/local/lib/wnm/report \
                /usr/local/lib/wnm/supervision \
                /usr/local/lib/wnm/keeper \
                /usr/local/lib/wnm/run \
                /usr/local/lib/wnm/finish

        ENV PATH=/command:$PATH:/home/ant/.local/bin
        # A container ends when its one-shots fail; they have no time limit; nodes have two minutes to end, and s6 then waits no longer.
        ENV S6_BEHAVIOUR_IF_STAGE2_FAILS=2 S6_CMD_WAIT_FOR_SERVICES_MAXTIME=0 S6_KILL_FINISH_MAXTIME=120000 S6_KILL_GRACETIME=300
        LABEL wnm.contract=1 org.opencontainers.image.title="wnm nodes"
        ENTRYPOINT ["/init"]
        CMD ["sleep", "infinity"]
        "#);
    }

    #[test]
    fn what_is_not_an_image_or_a_version_is_refused() {
        let refused = |base: &str, version: &str| {
            let options = DockerfileOptions {
                base: base.to_owned(),
                s6_overlay_version: Some(version.to_owned()),
                ..DockerfileOptions::default()
            };
            dockerfile(&options).unwrap_err().to_string()
        };
        let said = [
            refused("", "1.0"),
            refused("debian\nRUN reboot", "1.0"),
            refused("debian", "$(reboot)"),
            refused("debian", ""),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        the base image "" cannot be used: it is not the name of an image
        the base image "debian\nRUN reboot" cannot be used: it is not the name of an image
        the s6-overlay version "$(reboot)" cannot be used: versions are like 3.2.1.0
        the s6-overlay version "" cannot be used: versions are like 3.2.1.0
        "#);
    }

    #[test]
    fn the_image_of_the_tests_has_the_same_environment_and_label() {
        let script = include_str!("../../image/build-test-image.sh");
        assert!(script.contains(&format!("ENV {ENVIRONMENT}\n")));
        assert!(script.contains(&format!("LABEL {}={} ", IMAGE_LABEL.0, IMAGE_LABEL.1)));
    }

    /// A builder joins the lines of a step at their backslashes, and leaves out lines that are empty or comments: none
    /// of ours may be one.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the step is run as a builder runs it")]
    fn files_are_written_exactly() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().to_str().unwrap();
        let step = files(root);
        let joined = step.strip_prefix("RUN ").unwrap().replace("\\\n", "");
        assert!(step.lines().all(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')), "{step}");
        assert_eq!(joined.trim_end().lines().count(), 1, "each line but the last ends with a backslash");
        let output = Command::new("bash").args(["-euo", "pipefail", "-c", &joined]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        for (path, text) in FILES {
            let written = std::fs::read_to_string(format!("{root}{path}")).unwrap();
            assert!(written == text, "{path} is written exactly");
        }
    }
}
