//! Pressure is more load than the owner allows; room is load low enough for another node.

use crate::settings::Config;
use crate::snapshot::HostLoad;

/// One measured quantity and the two thresholds that it is held against.
pub(super) struct Gauge {
    /// The setting that limits it, for growth and for relief.
    pub less_than_rule: &'static str,
    pub remove_rule: &'static str,
    what: &'static str,
    unit: &'static str,
    pub figure: f64,
    less_than: f64,
    remove: f64,
    /// A limit of 0 is off: so it is for rates.
    zero_is_off: bool,
    /// Whether removing nodes relieves it, rather than stopping them.
    pub is_disk: bool,
}

impl Gauge {
    /// Above its limit. Equal is not above.
    pub fn presses(&self) -> bool {
        !(self.zero_is_off && self.remove == 0.0) && self.figure > self.remove
    }

    /// Below what growth allows. Equal is not below.
    pub fn leaves_room(&self) -> bool {
        (self.zero_is_off && self.less_than == 0.0) || self.figure < self.less_than
    }

    pub fn pressure(&self) -> String {
        let Self { what, unit, figure, remove, remove_rule, .. } = self;
        format!("{what} is {figure:.1}{unit}, above {remove_rule} {remove}{unit}")
    }

    pub fn no_room(&self) -> String {
        let Self { what, unit, figure, less_than, less_than_rule, .. } = self;
        format!("{what} is {figure:.1}{unit}, not below {less_than_rule} {less_than}{unit}")
    }

    pub fn remove_figures(&self) -> Option<(f64, f64)> {
        Some((self.figure, self.remove))
    }

    pub fn less_than_figures(&self) -> Option<(f64, f64)> {
        Some((self.figure, self.less_than))
    }
}

/// All that the machine measures, against all that its owner allows.
pub(super) fn gauges(config: &Config, host: &HostLoad) -> Vec<Gauge> {
    let percent = |what, rules: (&'static str, &'static str), figure, limits: (f64, f64)| Gauge {
        less_than_rule: rules.0,
        remove_rule: rules.1,
        what,
        unit: " %",
        figure,
        less_than: limits.0,
        remove: limits.1,
        zero_is_off: false,
        is_disk: false,
    };
    let load = |what, figure| Gauge {
        unit: "",
        ..percent(
            what,
            ("desired_load_average", "max_load_average_allowed"),
            figure,
            (config.desired_load_average, config.max_load_average_allowed),
        )
    };
    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bytes per second")]
    let rate = |what, rules, figure: u64, limits: (u64, u64)| Gauge {
        unit: " B/s",
        zero_is_off: true,
        ..percent(what, rules, figure as f64, (limits.0 as f64, limits.1 as f64))
    };
    vec![
        percent(
            "CPU use",
            ("cpu_less_than", "cpu_remove"),
            host.used_cpu_percent,
            (config.cpu_less_than, config.cpu_remove),
        ),
        percent(
            "memory use",
            ("mem_less_than", "mem_remove"),
            host.used_mem_percent,
            (config.mem_less_than, config.mem_remove),
        ),
        Gauge {
            is_disk: true,
            ..percent(
                "disk use",
                ("hd_less_than", "hd_remove"),
                host.used_hd_percent,
                (config.hd_less_than, config.hd_remove),
            )
        },
        load("the load average of 1 minute", host.load_average_1),
        load("the load average of 5 minutes", host.load_average_5),
        load("the load average of 15 minutes", host.load_average_15),
        rate(
            "disk reading",
            ("hdio_read_less_than", "hdio_read_remove"),
            host.hdio_read_bytes,
            (config.hdio_read_less_than, config.hdio_read_remove),
        ),
        rate(
            "disk writing",
            ("hdio_write_less_than", "hdio_write_remove"),
            host.hdio_write_bytes,
            (config.hdio_write_less_than, config.hdio_write_remove),
        ),
        rate(
            "network receiving",
            ("netio_read_less_than", "netio_read_remove"),
            host.netio_read_bytes,
            (config.netio_read_less_than, config.netio_read_remove),
        ),
        rate(
            "network sending",
            ("netio_write_less_than", "netio_write_remove"),
            host.netio_write_bytes,
            (config.netio_write_less_than, config.netio_write_remove),
        ),
    ]
}
