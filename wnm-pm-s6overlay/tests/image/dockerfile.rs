//! The printed Dockerfile, built by the real builder with every step as it stands. Where it would fetch s6-overlay and
//! antup from the network, a `curl` of the test hands out stand-ins, checksums and all.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wnm_pm_s6overlay::dockerfile::{DockerfileOptions, dockerfile};
use wnm_pm_s6overlay::script::NodeState;
use wnm_testing::Need::{DebianMirror, S6Image};
use wnm_testing::docker_label;

use crate::container::{Container, all, docker};

/// Has Debian's s6 and the stand-in for s6-overlay; `image/build-test-image.sh` makes it.
const BASE: &str = "wnm-test-s6-base:1";

/// A `curl` that hands out files, and broken ones for version 0.0.1.
const CURL: &str = r#"#!/bin/sh
output=/dev/stdout
while [ $# -gt 0 ]; do
    case $1 in
    --output) output=$2 && shift ;;
    https://*) url=$1 ;;
    esac
    shift
done
file=/srv/fetched/${url##*/}
case $url in
https://github.com/just-containers/s6-overlay/releases/download/v3.2.1.0/*) ;;
https://github.com/just-containers/s6-overlay/releases/download/v0.0.1/*.sha256) ;;
https://github.com/just-containers/s6-overlay/releases/download/v0.0.1/*) echo broken >>"$file" ;;
https://raw.githubusercontent.com/maidsafe/antup/main/install.sh) ;;
*) echo "no stand-in for $url" >&2 && exit 22 ;;
esac
exec cat "$file" >"$output"
"#;

/// antup's installer: puts a program into ~/.local/bin that puts another there.
const INSTALLER: &str = r##"set -e
[[ $EUID -ne 0 ]]
mkdir -p "$HOME/.local/bin"
cat >"$HOME/.local/bin/antup" <<'ANTUP'
#!/bin/sh
[ "$1" = node ] || exit 1
printf '#!/bin/sh\necho Autonomi Node v0.4.17\n' >~/.local/bin/antnode
chmod +x ~/.local/bin/antnode
ANTUP
chmod +x "$HOME/.local/bin/antup"
"##;

/// The label of all images of the test, also of those that a build which fails leaves without a name.
const LABEL: &str = "org.wnm.test.dockerfile";

/// Images of the test, removed at its end.
struct Images(Vec<String>);

impl Images {
    fn name(&mut self, part: &str) -> String {
        let name = format!("wnm-image-test-{}:{part}", std::process::id());
        self.0.push(name.clone());
        name
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for image in self.0.iter().rev() {
            docker(&["rmi", "--force", image]);
        }
        let own = format!("label={LABEL}={}", std::process::id());
        docker(&["image", "prune", "--force", "--filter", &own]);
    }
}

/// Builds an image of this Dockerfile, in this folder or in none.
fn build(tag: &str, text: &str, folder: Option<&Path>) -> Output {
    let mut command = Command::new("docker");
    command.args(["build", "--force-rm", "--tag", tag]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match folder {
        Some(folder) => {
            fs::write(folder.join("Dockerfile"), text).unwrap();
            command.arg(folder);
        }
        None => _ = command.arg("-"),
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Packs paths of the base as a part of s6-overlay, with its checksum beside it.
fn pack(folder: &Path, part: &str, paths: &[&str]) {
    let label = docker_label();
    let arguments =
        [&["run", "--rm", "--label", &label, "--entrypoint", "tar", BASE, "-C", "/", "-cf", "-"], paths].concat();
    let tarball = format!("s6-overlay-{part}.tar");
    let packed = docker(&arguments);
    assert!(packed.status.success(), "{}", said(&packed));
    fs::write(folder.join(&tarball), packed.stdout).unwrap();
    let script = format!("xz {tarball} && sha256sum {tarball}.xz >{tarball}.xz.sha256");
    let status = Command::new("sh").args(["-c", &script]).current_dir(folder).status().unwrap();
    assert!(status.success(), "{script}");
}

/// A Debian without s6-overlay, and with our `curl`.
fn build_base(tag: &str) {
    let folder = tempfile::tempdir().unwrap();
    let fetched = folder.path().join("fetched");
    fs::create_dir(&fetched).unwrap();
    pack(&fetched, "noarch", &["init", "usr/local/lib/test-base", "command/with-contenv"]);
    let machine = Command::new("uname").arg("-m").output().unwrap();
    pack(&fetched, String::from_utf8_lossy(&machine.stdout).trim(), &["--exclude=command/with-contenv", "command"]);
    fs::write(fetched.join("install.sh"), INSTALLER).unwrap();
    fs::write(folder.path().join("curl"), CURL).unwrap();
    let text = format!(
        "FROM {BASE}\nLABEL {LABEL}={}\nCOPY curl /usr/local/bin/\nCOPY fetched /srv/fetched\nRUN chmod 755 /usr/local/bin/curl && rm -r /init /command /usr/local/lib/test-base\n",
        std::process::id()
    );
    let built = build(tag, &text, Some(folder.path()));
    assert!(built.status.success(), "{}", said(&built));
}

fn the_printed_dockerfile_makes_an_image_that_runs_nodes() {
    let mut images = Images(vec![]);
    let (base, image, broken) = (images.name("base"), images.name("built"), images.name("broken"));
    build_base(&base);
    let options = DockerfileOptions { base, ..DockerfileOptions::default() };
    let built = build(&image, &dockerfile(&options).unwrap(), None);
    let text = said(&built);
    assert!(built.status.success(), "{text}");
    assert!(text.contains("s6-overlay-noarch.tar.xz: OK"), "the checksums are checked: {text}");

    let inspected = docker(&[
        "image",
        "inspect",
        "--format",
        "{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.Labels}} {{.Config.User}}",
        &image,
    ]);
    let inspected = said(&inspected);
    assert!(inspected.starts_with(r#"["/init"] ["sleep","infinity"] "#), "{inspected}");
    assert!(inspected.contains(r#""wnm.contract":"1""#), "{inspected}");
    let look = "id -nG ant; command -v sudo || echo no sudo; ls /var/lib/apt/lists | wc -l; stat -c %U $(command -v antnode); antnode; echo $PATH; ls /tmp | wc -l; command -v ping ps ip curl nft";
    let looked =
        said(&docker(&["run", "--rm", "--label", &docker_label(), "--entrypoint", "bash", &image, "-c", look]));
    insta::assert_snapshot!(looked, @"
    ant
    no sudo
    0
    ant
    Autonomi Node v0.4.17
    /command:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/ant/.local/bin
    0
    /usr/bin/ping
    /usr/bin/ps
    /usr/sbin/ip
    /usr/local/bin/curl
    /usr/sbin/nft
    ");

    // The container boots, and nodes run in it.
    let container = Container::of_image(&image, &[]);
    container.define_idle(1);
    container.run();
    container.await_boot();
    assert!(all(&container.start(&[1]), 1, NodeState::Up));
    container.shell("pkill -HUP -xf 'sleep infinity'");
    assert_eq!(container.await_end(), 129);
    drop(container);

    let options = DockerfileOptions { s6_overlay_version: Some("0.0.1".to_owned()), ..options };
    let built = build(&broken, &dockerfile(&options).unwrap(), None);
    let text = said(&built);
    assert!(!built.status.success() && text.contains("s6-overlay-noarch.tar.xz: FAILED"), "{text}");
    assert!(!docker(&["image", "inspect", &broken]).status.success(), "a broken download makes no image");
}

wnm_testing::trials! {
    &[S6Image, DebianMirror] => the_printed_dockerfile_makes_an_image_that_runs_nodes;
}
