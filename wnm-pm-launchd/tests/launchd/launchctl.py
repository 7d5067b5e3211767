#!/usr/bin/env python3
"""A stand-in for macOS's launchctl, for tests on other systems.

It keeps real processes alive, and answers and refuses as the real one was seen to (exit codes, words, the shape of
`print`). What it knows stands in the directory that LAUNCHCTL_STATE names: a file per job, and the disabled labels.

  launchctl bootstrap DOMAIN PLIST...     loads jobs; 5 when one is loaded, not quite gone, or cannot be loaded
  launchctl bootout DOMAIN/LABEL          ends and forgets a job; 3 when it is not loaded
  launchctl enable|disable DOMAIN/LABEL   outlives everything else; a disabled job is not loaded (119)
  launchctl print DOMAIN[/LABEL]          113 for an unknown label, 125 for an unknown domain
  launchctl stand-in-restart DOMAIN DIR   what a restart of the machine does: all ends, DIR is loaded

Right after a bootout a label is refused (5) for LAUNCHCTL_RACE seconds (0.3), as macOS does.
"""

import fcntl
import json
import os
import plistlib
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["LAUNCHCTL_STATE"])
RACE_SECONDS = float(os.environ.get("LAUNCHCTL_RACE", "0.3"))
MINIMUM_RUNTIME_SECONDS = 10
SIGNALS = {signal.SIGKILL: "Killed", signal.SIGTERM: "Terminated"}


def fail(code, text):
    print(text, file=sys.stderr)
    sys.exit(code)


class Locked:
    """All that is known, while nobody else changes it."""

    def __enter__(self):
        STATE.mkdir(parents=True, exist_ok=True)
        self.lock = open(STATE / "lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.lock.close()


def job_file(label):
    return STATE / f"{label}.job"


def read(label):
    try:
        return json.loads(job_file(label).read_text())
    except FileNotFoundError:
        return None


def write(label, job):
    unfinished = job_file(label).with_suffix(".new")
    unfinished.write_text(json.dumps(job))
    unfinished.rename(job_file(label))


def disabled():
    try:
        return set(json.loads((STATE / "disabled").read_text()))
    except FileNotFoundError:
        return set()


def split(target):
    domain, _, label = target.rpartition("/")
    if not domain or not label.startswith("com."):
        fail(64, f"Unrecognized target specifier: {target}")
    return domain, label


def load(domain, path):
    """Loads one job; answers 0 or launchctl's exit code and words."""
    try:
        with open(path, "rb") as file:
            plist = plistlib.load(file)
        label, program = plist["Label"], plist["ProgramArguments"]
        assert isinstance(label, str) and program and all(isinstance(word, str) for word in program)
    except Exception:
        return 5, "Bootstrap failed: 5: Input/output error"
    if os.stat(path).st_mode & 0o022:
        return 122, "Path had bad ownership/permissions"
    if label in disabled():
        return 119, "Bootstrap failed: 119: Service is disabled"
    job = read(label)
    if job is not None and (job["state"] != "gone" or time.time() < job["gone_until"]):
        return 5, "Bootstrap failed: 5: Input/output error"
    write(label, {"domain": domain, "path": str(path), "state": "not running", "runs": 0, "end": None, "pid": None})
    if plist.get("RunAtLoad"):
        keeper(label, plist)
    return 0, ""


def keeper(label, plist):
    """Leaves a process behind that keeps the job's process alive."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, 256)
    try:
        keep(label, plist)
    finally:
        os._exit(0)


def spawn(plist):
    def limits():
        files = plist.get("SoftResourceLimits", {}).get("NumberOfFiles")
        if files:
            hard = plist.get("HardResourceLimits", {}).get("NumberOfFiles", files)
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        os.umask(plist.get("Umask", 0o022))

    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": os.environ.get("HOME", "/")}
    environment.update(plist.get("EnvironmentVariables", {}))
    output = lambda key: open(plist[key], "ab") if key in plist else subprocess.DEVNULL
    return subprocess.Popen(
        plist["ProgramArguments"],
        cwd=plist.get("WorkingDirectory", "/"),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output("StandardOutPath"),
        stderr=output("StandardErrorPath"),
        start_new_session=True,
        preexec_fn=limits,
    )


def keep(label, plist):
    while True:
        started = time.time()
        try:
            process = spawn(plist)
            ended = None
        except OSError:
            process, ended = None, "exit code 78: EX_CONFIG"
        asked = None
        while True:
            with Locked():
                job = read(label)
                if process and job["state"] != "running" and asked is None:
                    if job["state"] == "ending":
                        process.terminate()
                        asked = time.time()
                    else:
                        job.update(state="running", pid=process.pid, runs=job["runs"] + 1)
                        write(label, job)
                if process and process.poll() is not None:
                    code = process.returncode
                    ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
                if ended:
                    job = read(label)
                    if job["state"] == "ending":
                        write(label, dict(job, state="gone", pid=None, gone_until=time.time() + RACE_SECONDS))
                        return
                    runs = job["runs"] + (0 if process else 1)
                    write(label, dict(job, state="spawn scheduled", pid=None, end=ended, runs=runs))
                    break
            if asked and time.time() - asked > plist.get("ExitTimeOut", 20):
                process.kill()
            time.sleep(0.02)
        if not plist.get("KeepAlive"):
            return
        # A job that ran for less than ten seconds waits for the rest of them.
        pause = started + plist.get("ThrottleInterval", MINIMUM_RUNTIME_SECONDS)
        while time.time() < pause:
            with Locked():
                job = read(label)
                if job["state"] == "ending":
                    write(label, dict(job, state="gone", gone_until=time.time() + RACE_SECONDS))
                    return
            time.sleep(0.02)


def known(label):
    job = read(label)
    return job if job and job["state"] != "gone" else None


def end(label):
    """Asks a job to end; answers whether there was one."""
    with Locked():
        job = known(label)
        if job is None:
            return False
        if job["runs"] == 0 and job["state"] == "not running":
            # Its keeper may be on its way: it sees this at once.
            pass
        write(label, dict(job, state="ending"))
    return True


def wait_gone(label):
    while True:
        with Locked():
            if known(label) is None:
                return
        time.sleep(0.02)


def show(domain, label):
    with Locked():
        job = known(label)
    if job is None or job["domain"] != domain:
        fail(113, f'Bad request.\nCould not find service "{label}" in domain for {domain}')
    with open(job["path"], "rb") as file:
        plist = plistlib.load(file)
    running = job["pid"] is not None
    lines = [
        f"{domain}/{label} = {{",
        f"\tactive count = {int(running)}",
        f"\tpath = {job['path']}",
        "\ttype = LaunchAgent",
        f"\tstate = {'running' if running else job['state']}",
        "",
        f"\tprogram = {plist['ProgramArguments'][0]}",
        "\targuments = {",
        *(f"\t\t{word}" for word in plist["ProgramArguments"]),
        "\t}",
        "",
        "\tdefault environment = {",
        "\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin",
        "\t}",
        "",
        f"\tdomain = {domain} [100002]",
        f"\tminimum runtime = {MINIMUM_RUNTIME_SECONDS}",
        f"\texit timeout = {plist.get('ExitTimeOut', 20)}",
        f"\truns = {job['runs']}",
    ]
    if running:
        lines.append(f"\tpid = {job['pid']}")
    ended = job["end"]
    if ended is None:
        lines.append("\tlast exit code = (never exited)")
    elif ended.startswith("signal "):
        number = int(ended.removeprefix("signal "))
        lines.append(f"\tlast terminating signal = {SIGNALS.get(number, 'Signal')}: {number}")
    else:
        lines.append(f"\tlast exit code = {ended.removeprefix('exit code ')}")
    lines += ["", "\tresource coalition = {", "\t\tID = 1114", "\t\tstate = active", "\t}", "}"]
    print("\n".join(lines))


def main():
    verb, target, *rest = sys.argv[1:]
    if verb in ("load", "unload", "start", "stop", "remove"):
        fail(64, f"{verb} is deprecated and not part of this stand-in")
    if verb == "bootstrap":
        worst = 0
        for path in rest:
            with Locked():
                code, words = load(target, path)
            if code:
                print(f"{words}\nTry re-running the command as root for richer errors.", file=sys.stderr)
                worst = code
        sys.exit(worst)
    if verb == "stand-in-restart":
        labels = [path.stem for path in STATE.glob("*.job")]
        for label in [label for label in labels if end(label)]:
            wait_gone(label)
        time.sleep(RACE_SECONDS)
        for path in sorted(Path(rest[0]).glob("*.plist")):
            with Locked():
                load(target, path)
        return
    if verb == "print" and not target.partition("/")[2].count("/") and not target.rpartition("/")[2].startswith("com."):
        if not target.startswith(("gui/", "system")):
            fail(125, "Bad request.\nCould not print domain: 125: Domain does not support specified action")
        print(f"{target} = {{\n\ttype = user\n}}")
        return
    domain, label = split(target)
    if verb == "print":
        show(domain, label)
    elif verb == "bootout":
        if not end(label):
            fail(3, "Boot-out failed: 3: No such process")
        # The real one comes back before the job is gone.
        fail(36, "Boot-out failed: 36: Operation now in progress")
    elif verb in ("enable", "disable"):
        with Locked():
            labels = disabled() - {label} if verb == "enable" else disabled() | {label}
            (STATE / "disabled").write_text(json.dumps(sorted(labels)))
    else:
        fail(64, f"Unrecognized subcommand: {verb}")


main()
