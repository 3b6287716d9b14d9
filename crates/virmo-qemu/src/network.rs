//! Network interfaces of machines, and their shares of the bandwidth: QEMU itself has no such knob.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use virmo_hypervisor::backend::wait_for;

/// How long `ip` and `tc` may take for one change.
const PATIENCE: Duration = Duration::from_secs(10);
/// Linux takes interface names of at most 15 bytes.
const DIGITS: usize = 11;

/// The network machines are connected to, and what it carries.
///
/// Each machine that runs has a tap interface. What goes to the guest is limited there, what comes
/// from it on an `ifb` interface beside it; both take `ip` and `tc` of iproute2, the kernel's `ifb`
/// and `act_mirred`, and the right to change interfaces, as root has it.
///
/// ```
/// let network = virmo_qemu::Network::new(100_000_000).bridge("br0");
/// # let _ = network;
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    bandwidth: u64,
    bridge: Option<String>,
}

impl Network {
    /// A network that carries so many bits a second in each direction: 100 % of the share that
    /// `Network` of a machine's configuration gives. [VirMO §8 CurrentConfig]
    ///
    /// Without a [`bridge`](Self::bridge) a machine's interface leads nowhere but to the host.
    #[must_use]
    pub const fn new(bandwidth: u64) -> Self {
        Self {
            bandwidth,
            bridge: None,
        }
    }

    /// The bridge every machine's interface is added to. It has to be there.
    #[must_use]
    pub fn bridge(mut self, name: impl Into<String>) -> Self {
        self.bridge = Some(name.into());
        self
    }

    /// The name of a machine's interface.
    pub(crate) fn interface(uuid: &str) -> String {
        name("vt", uuid)
    }

    /// The address of a machine's card: one of those nobody hands out, the same each time.
    pub(crate) fn address(uuid: &str) -> String {
        let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).take(5).map(|pair| pair.iter().collect());
        let all: Vec<String> = std::iter::once("52".to_owned()).chain(pairs).collect();
        all.join(":")
    }

    /// Makes the interfaces of a machine and limits them. Those that are there stay.
    pub(crate) fn connect(&self, uuid: &str, percent: u8) -> io::Result<()> {
        let (tap, mirror) = (name("vt", uuid), name("vi", uuid));
        if !is_there(&tap) {
            run("ip", &["tuntap", "add", "dev", &tap, "mode", "tap"])?;
        }
        if !is_there(&mirror) {
            run("ip", &["link", "add", &mirror, "type", "ifb"])?;
        }
        self.limit(uuid, percent)?;
        // Made anew, as a filter that is there would be doubled.
        _ = run("tc", &["qdisc", "del", "dev", &tap, "ingress"]);
        run("tc", &["qdisc", "add", "dev", &tap, "ingress"])?;
        let all = ["protocol", "all", "u32", "match", "u32", "0", "0"];
        let there = ["action", "mirred", "egress", "redirect", "dev", &mirror];
        let mut filter = vec!["filter", "add", "dev", &tap, "parent", "ffff:"];
        filter.extend(all);
        filter.extend(there);
        run("tc", &filter)?;
        if let Some(bridge) = &self.bridge {
            run("ip", &["link", "set", &tap, "master", bridge])?;
        }
        run("ip", &["link", "set", &mirror, "up"])?;
        run("ip", &["link", "set", &tap, "up"])
    }

    /// Changes the limits of interfaces that are there.
    pub(crate) fn limit(&self, uuid: &str, percent: u8) -> io::Result<()> {
        let rate = format!("{}bit", self.rate(percent));
        let burst = self.burst(percent).to_string();
        for interface in [name("vt", uuid), name("vi", uuid)] {
            let qdisc = ["qdisc", "replace", "dev", &interface, "root", "tbf"];
            let limits = ["rate", &rate, "burst", &burst, "latency", "50ms"];
            run("tc", &[qdisc, limits].concat())?;
        }
        Ok(())
    }

    /// Removes the interfaces of a machine; none are as good.
    pub(crate) fn disconnect(uuid: &str) -> io::Result<()> {
        for interface in [name("vt", uuid), name("vi", uuid)] {
            if is_there(&interface) {
                run("ip", &["link", "del", &interface])?;
            }
        }
        Ok(())
    }

    /// Bits a second; never none, which would be no limit.
    fn rate(&self, percent: u8) -> u64 {
        let hundredth = u128::from(self.bandwidth) * u128::from(percent) / 100;
        u64::try_from(hundredth).unwrap_or(u64::MAX).max(8_000)
    }

    /// Octets that may pass at once: ten milliseconds' worth, and at least a whole frame.
    fn burst(&self, percent: u8) -> u64 {
        (self.rate(percent) / 8 / 100).clamp(16_384, u64::from(u32::MAX) / 2)
    }
}

/// The name of an interface: as much of the machine's UUID as fits.
fn name(prefix: &str, uuid: &str) -> String {
    let digits = uuid.chars().filter(char::is_ascii_hexdigit).take(DIGITS);
    prefix.chars().chain(digits).collect()
}

fn is_there(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

/// Runs a program, and has its complaint as the error.
fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run {program}: {error}")))?;
    let ended = wait_for(PATIENCE, || child.try_wait().map(|status| status.is_some()))?;
    if !ended {
        child.kill()?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().next().unwrap_or("it does not end");
    let command = arguments.join(" ");
    Err(io::Error::other(format!("{program} {command}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_hundredth_of_the_bandwidth_each() {
        let network = Network::new(100_000_000);
        assert_eq!(network.rate(25), 25_000_000);
        assert_eq!(network.burst(25), 31_250);
        assert_eq!(network.rate(0), 8_000, "no rate would be no limit");
        assert_eq!(network.burst(0), 16_384);
        assert_eq!(Network::new(u64::MAX).rate(100), u64::MAX);
    }

    #[test]
    fn names_fit_an_interface() {
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(Network::interface(uuid), "vt0123456789a");
        assert!(name("vi", uuid).len() <= 15);
        assert_eq!(Network::address(uuid), "52:01:23:45:67:89");
    }

    #[test]
    fn what_a_program_complains_of_is_told() {
        let error = run("sh", &["-c", "echo no such thing >&2; exit 1"]).unwrap_err();
        assert!(error.to_string().ends_with(": no such thing"), "{error}");
        assert!(run("virmo-no-such-program", &[]).is_err());
    }
}
