//! Several machines: real processes with network stacks of their own find each
//! other over the local network, are parted, and come together again.
//!
//! Each host is a network namespace, the cables are veth pairs, the switches are
//! bridges. All of it lives in namespaces of a child process (`unshare`) that the
//! kernel takes down with everything in it when that process ends, however it
//! ends. It needs iproute2 and either root or user namespaces; where the kernel
//! refuses, the test says so and does nothing.

#![cfg(target_os = "linux")]
#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped, or a cable that cannot be made bad, is said loudly"
)]

mod common;

use common::{Home, Serving, arg, eventually};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Set in the child that has the namespaces.
const INSIDE: &str = "STUDYTIME_TEST_HOSTS_INSIDE";

/// Runs this test again where it may make networks. Answers whether this is there.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let own = [
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    // Names of namespaces lie in /run, which is our own here.
    let shell = |then: &str| format!("mount -t tmpfs none /run && {then}");
    let probe = shell(
        "ip netns add probe && ip -n probe link add probe0 type veth peer name probe1 && ip -n probe link add probe2 type bridge",
    );
    let mut refused = Vec::new();
    for way in ways {
        let under = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(way).args(own).args(["sh", "-c", script]);
            command
        };
        match under(&probe).output() {
            Ok(done) if done.status.success() => {
                let exe = std::env::current_exe().expect("this program has a path");
                let status = under(&shell("exec \"$@\""))
                    .args(["sh", arg(&exe), test, "--exact", "--nocapture"])
                    .env(INSIDE, "1")
                    .status()
                    .expect("unshare was there a moment ago");
                assert!(status.success(), "failed among its hosts, see above");
                return false;
            }
            Ok(done) => refused.push(said(&done)),
            Err(error) => refused.push(format!("unshare: {error}")),
        }
    }
    eprintln!(
        "SKIPPED {test}: no networks of our own can be made here, so nothing was tested: {}",
        refused.join("; ")
    );
    false
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).trim().to_owned()
}

/// Runs a command of iproute2; it must succeed.
fn ip(line: &str) {
    let done = run("ip", line);
    assert!(done.status.success(), "ip {line}: {}", said(&done));
}

fn run(program: &str, line: &str) -> Output {
    let mut command = Command::new(program);
    command.args(line.split_whitespace());
    command.output().expect("iproute2 is installed")
}

/// Two switches with a cable between them, in a namespace of their own.
struct Network;

impl Network {
    fn new() -> Self {
        ip("netns add switch");
        for bridge in ["left", "right", "side"] {
            ip(&format!("-n switch link add {bridge} type bridge"));
            ip(&format!("-n switch link set {bridge} up"));
        }
        ip("-n switch link add trunk0 type veth peer name trunk1");
        ip("-n switch link set trunk0 master left up");
        ip("-n switch link set trunk1 master right up");
        Self
    }

    /// Makes the cable between the switches a bad one.
    fn worsen(&self) {
        for port in ["trunk0", "trunk1"] {
            let bad = |how: &str| {
                let line = format!("-n switch qdisc add dev {port} root {how}");
                run("tc", &line).status.success()
            };
            if bad("netem delay 20ms 5ms loss 2%") {
                eprintln!("{port}: 20 ms of delay and 2 % of loss (netem)");
            } else if bad("tbf rate 8mbit burst 16kb limit 24kb") {
                eprintln!(
                    "{port}: this kernel has no netem; a slow port with a short queue delays and drops instead (tbf)"
                );
            } else {
                eprintln!("{port}: this kernel has neither netem nor tbf: no delay, no loss");
            }
        }
    }

    /// What the cable's ends have dropped and passed on.
    fn report(&self) {
        for port in ["trunk0", "trunk1"] {
            let shown = run("tc", &format!("-n switch -s qdisc show dev {port}"));
            eprintln!("{}", String::from_utf8_lossy(&shown.stdout).trim());
        }
    }

    fn part(&self) {
        ip("-n switch link set trunk0 down");
    }

    fn join(&self) {
        ip("-n switch link set trunk0 up");
    }
}

/// A machine: a namespace and a user's home.
struct Host {
    name: &'static str,
    home: Home,
}

impl Host {
    fn new(name: &'static str) -> Self {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self {
            name,
            home: Home::new(),
        }
    }

    /// Plugs a cable into a switch. Without `v4` the host has IPv6 only.
    fn plug(self, card: &str, switch: &str, number: u8, v4: Option<&str>) -> Self {
        let name = self.name;
        let port = format!("{name}-{card}");
        ip(&format!(
            "-n switch link add {port} type veth peer name {card} netns {name}"
        ));
        ip(&format!("-n switch link set {port} master {switch} up"));
        // No waiting for the check that nobody else has this address.
        ip(&format!("-n {name} link set {card} addrgenmode none"));
        ip(&format!("-n {name} link set {card} up"));
        ip(&format!(
            "-n {name} addr add fe80::{number}/64 dev {card} nodad"
        ));
        if let Some(net) = v4 {
            ip(&format!(
                "-n {name} addr add {net}.{number}/24 brd + dev {card}"
            ));
        }
        self
    }

    /// Starts a node on the ports that all nodes have.
    fn serve(&self) -> Serving {
        let args = [
            "serve",
            "--listen",
            "[::]:8008",
            "--http",
            "127.0.0.1:0",
            "--json",
        ];
        let program = self.home.command(&args);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name]);
        command.arg(program.get_program()).args(program.get_args());
        for (variable, value) in program.get_envs() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command.stdin(std::process::Stdio::null());
        Serving::start(command)
    }

    /// The peers that are connected, by their ids.
    fn connected(&self) -> Vec<Value> {
        let mut peers = self.home.lines(&["peer", "list"]);
        peers.retain(|p| p["state"] == "connected");
        peers
    }

    fn meets(&self, others: &[(&Host, &Serving)]) {
        eventually(&format!("{} meets the others", self.name), || {
            let here = self.connected();
            let all = others
                .iter()
                .all(|(_, node)| here.iter().any(|p| p["id"] == node.id()));
            all.then_some(())
        });
    }

    /// Makes a list and a course on it; answers the list's id.
    fn publish(&self, list: &str, course: &str) -> String {
        let folder = self.home.path(course);
        self.home.write(
            &format!("{course}/01 First steps/01 Leaves.md"),
            format!("# Leaves\n\nAll about leaves: {course}.\n"),
        );
        self.home
            .json(&["import", arg(&folder), "--catalog", list, "--name", course]);
        let lists = self.home.lines(&["catalog", "list"]);
        let made = lists.iter().find(|l| l["name"] == list);
        made.expect("the list is there")["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    fn has(&self, course: &str) -> bool {
        let found = self.home.lines(&["course", "list"]);
        found.iter().any(|c| c["name"] == course)
    }

    /// Waits until the course is here, whole: its lesson can be read.
    fn gets(&self, course: &str) {
        eventually(&format!("{} gets {course:?}", self.name), || {
            let all = self.home.lines(&["course", "list"]);
            let id = all.iter().find(|c| c["name"] == course)?["feed_id"]
                .as_str()?
                .to_owned();
            let shown = self.home.json(&["course", "show", &id]);
            let number = shown["lessons"].as_array()?.first()?["lesson_number"].to_string();
            let lesson = self.home.json(&["lesson", "show", &id, &number]);
            lesson["content"].as_str()?.contains(course).then_some(())
        });
    }
}

fn is_tool(name: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .iter()
        .any(|dir| Path::new(dir).join(name).exists())
}

#[test]
fn hosts_find_each_other_are_parted_and_come_together() {
    if !is_tool("ip") || !is_tool("unshare") {
        eprintln!(
            "SKIPPED: iproute2 and util-linux are not installed (scripts/setup installs them)"
        );
        return;
    }
    if !inside("hosts_find_each_other_are_parted_and_come_together") {
        return;
    }
    let network = Network::new();
    // ann and ben left, cleo and dan right; dan has IPv6 only; eve is on another
    // network, on which only ben has a second card.
    let ann = Host::new("ann").plug("eth0", "left", 1, Some("10.7.1"));
    let ben = Host::new("ben")
        .plug("eth0", "left", 2, Some("10.7.1"))
        .plug("eth1", "side", 2, Some("10.7.2"));
    let cleo = Host::new("cleo").plug("eth0", "right", 3, Some("10.7.1"));
    let dan = Host::new("dan").plug("eth0", "right", 4, None);
    let eve = Host::new("eve").plug("eth0", "side", 5, Some("10.7.2"));
    let nodes = [&ann, &ben, &cleo, &dan, &eve].map(Host::serve);
    let [ann_node, ben_node, cleo_node, dan_node, eve_node] = &nodes;
    let (a, b, c, d, e) = (
        (&ann, ann_node),
        (&ben, ben_node),
        (&cleo, cleo_node),
        (&dan, dan_node),
        (&eve, eve_node),
    );

    // Nobody was told an address.
    ann.meets(&[b, c, d]);
    ben.meets(&[a, c, d, e]);
    dan.meets(&[a, b, c]);
    eve.meets(&[b]);
    assert!(!eve.connected().iter().any(|p| p["id"] == ann_node.id()));
    let over = |host: &Host, node: &Serving| {
        let peers = host.connected();
        let peer = peers.into_iter().find(|p| p["id"] == node.id());
        let peer = peer.expect("it was connected a moment ago");
        peer["address"].as_str().expect("an address").to_owned()
    };
    assert!(over(&dan, ann_node).contains("fe80::"), "dan has IPv6 only");
    let dialled: Vec<Value> = [&ann, &ben, &cleo, &dan, &eve]
        .iter()
        .flat_map(|host| host.connected())
        .filter(|p| p["outgoing"] == true)
        .collect();
    assert!(dialled.iter().all(|p| p["kind"] == "lan"), "{dialled:?}");

    // A course made on one is found on all, over a cable that loses packets, and
    // by eve through ben.
    network.worsen();
    let list = ann.publish("Botany", "Trees of the north");
    for host in [&ben, &cleo, &dan, &eve] {
        host.home.text(&["catalog", "add", &list]);
    }
    for host in [&ben, &cleo, &dan, &eve] {
        host.gets("Trees of the north");
    }

    // The cable is cut. Each side goes on by itself, and sees that it is alone.
    network.part();
    ann.publish("Botany", "Mosses");
    let other = cleo.publish("Zoology", "Ants");
    for host in [&ann, &ben, &dan, &eve] {
        host.home.text(&["catalog", "add", &other]);
    }
    ben.gets("Mosses");
    eve.gets("Mosses");
    dan.gets("Ants");
    for (host, gone) in [(&ann, cleo_node), (&cleo, ann_node)] {
        eventually(&format!("{} notices", host.name), || {
            let here = host.connected();
            (!here.iter().any(|p| p["id"] == gone.id())).then_some(())
        });
    }
    assert!(!cleo.has("Mosses") && !dan.has("Mosses"));
    assert!(!ann.has("Ants") && !eve.has("Ants"));

    // It is mended, and all becomes one.
    network.join();
    ann.meets(&[b, c, d]);
    dan.meets(&[a, b, c]);
    for host in [&cleo, &dan] {
        host.gets("Mosses");
    }
    for host in [&ann, &ben, &eve] {
        host.gets("Ants");
    }
    network.report();
    for node in nodes {
        node.stop();
    }
}
