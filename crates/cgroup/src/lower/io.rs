//! Block devices: weights and rates.

use alloc::string::String;

use spec::{BlockIo, Place, ThrottleDevice, WeightDevice};

use super::number::decimal;
use super::{Absent, Lowering, Version, only_v1};
use crate::controller::Controller;
use crate::error::{Error, Result};

const WEIGHT: Place = Place::field("linux.resources.blockIO.weight");
const LEAF_WEIGHT: Place = Place::field("linux.resources.blockIO.leafWeight");
const WEIGHT_DEVICE: &str = "linux.resources.blockIO.weightDevice";

/// A kind of rate: its field, v1's file and v2's key.
struct Rate {
    field: &'static str,
    v1: &'static str,
    v2: &'static str,
}

const READ_BPS: Rate = Rate {
    field: "linux.resources.blockIO.throttleReadBpsDevice",
    v1: "blkio.throttle.read_bps_device",
    v2: "rbps",
};
const WRITE_BPS: Rate = Rate {
    field: "linux.resources.blockIO.throttleWriteBpsDevice",
    v1: "blkio.throttle.write_bps_device",
    v2: "wbps",
};
const READ_IOPS: Rate = Rate {
    field: "linux.resources.blockIO.throttleReadIOPSDevice",
    v1: "blkio.throttle.read_iops_device",
    v2: "riops",
};
const WRITE_IOPS: Rate = Rate {
    field: "linux.resources.blockIO.throttleWriteIOPSDevice",
    v1: "blkio.throttle.write_iops_device",
    v2: "wiops",
};

impl Lowering<'_, '_, '_> {
    pub(super) fn io(&mut self, io: &BlockIo) -> Result<()> {
        if let Some(weight) = io.weight.filter(|n| *n != 0) {
            self.weight(weight)?;
        }
        if let Some(weight) = io.leaf_weight.filter(|n| *n != 0) {
            self.leaf_weight(decimal(weight_in_range(weight, LEAF_WEIGHT)?), LEAF_WEIGHT)?;
        }
        for (i, device) in io.weight_device.iter().enumerate() {
            self.weight_device(device, Place::item(WEIGHT_DEVICE, i))?;
        }
        self.rates(&io.throttle_read_bps_device, &READ_BPS)?;
        self.rates(&io.throttle_write_bps_device, &WRITE_BPS)?;
        self.rates(&io.throttle_read_iops_device, &READ_IOPS)?;
        self.rates(&io.throttle_write_iops_device, &WRITE_IOPS)
    }

    /// The BFQ scheduler has its own weights, in v1's range; without it v1 has CFQ's old file and v2 the
    /// cost model's, whose range is 1 to 10000.
    fn weight(&mut self, weight: u16) -> Result<()> {
        let value = weight_in_range(weight, WEIGHT)?;
        let home = self.home(Controller::Io, WEIGHT)?;
        let file = home.version.pick("blkio.bfq.weight", "io.bfq.weight");
        self.set(home, file, decimal(value), WEIGHT).absent = match home.version {
            Version::V1 => Absent::Instead {
                file: "blkio.weight",
                value: decimal(value),
            },
            Version::V2 => Absent::Instead {
                file: "io.weight",
                value: decimal(cost_weight(value)),
            },
        };
        Ok(())
    }

    fn weight_device(&mut self, device: &WeightDevice, place: Place) -> Result<()> {
        let number = numbers(device.major, device.minor);
        if let Some(weight) = device.weight.filter(|n| *n != 0) {
            let place = place.at("weight");
            let value = weight_in_range(weight, place)?;
            let home = self.home(Controller::Io, place)?;
            let line = [&number, " ", &decimal(value)].concat();
            match home.version {
                Version::V1 => {
                    let other = line.clone();
                    self.set(home, "blkio.bfq.weight_device", line, place)
                        .absent = Absent::Instead {
                        file: "blkio.weight_device",
                        value: other,
                    };
                }
                Version::V2 => {
                    let other = [&number, " ", &decimal(cost_weight(value))].concat();
                    self.set(home, "io.bfq.weight", line, place).absent = Absent::Instead {
                        file: "io.weight",
                        value: other,
                    };
                }
            }
        }
        if let Some(weight) = device.leaf_weight.filter(|n| *n != 0) {
            let place = place.at("leafWeight");
            let line = [&number, " ", &decimal(weight_in_range(weight, place)?)].concat();
            self.leaf_weight(line, place)?;
        }
        Ok(())
    }

    /// Only the CFQ scheduler had this; Linux 5.0 removed it, and then the write says so.
    fn leaf_weight(&mut self, value: String, place: Place) -> Result<()> {
        let home = self.home(Controller::Io, place)?;
        if home.version == Version::V2 {
            return Err(only_v1(
                place,
                "cgroup v2 has no weight of a cgroup's own tasks",
            ));
        }
        let file = if place == LEAF_WEIGHT {
            "blkio.leaf_weight"
        } else {
            "blkio.leaf_weight_device"
        };
        self.set(home, file, value, place);
        Ok(())
    }

    fn rates(&mut self, devices: &[ThrottleDevice], rate: &Rate) -> Result<()> {
        for (i, device) in devices.iter().enumerate() {
            let place = Place::item(rate.field, i);
            let home = self.home(Controller::Io, place)?;
            let number = numbers(device.major, device.minor);
            match (home.version, device.rate) {
                (Version::V1, n) => {
                    self.set(home, rate.v1, [&number, " ", &decimal(n)].concat(), place);
                }
                (Version::V2, 0) => {
                    self.set(
                        home,
                        "io.max",
                        [&number, " ", rate.v2, "=max"].concat(),
                        place,
                    );
                }
                (Version::V2, n) => {
                    self.set(
                        home,
                        "io.max",
                        [&number, " ", rate.v2, "=", &decimal(n)].concat(),
                        place,
                    );
                }
            }
        }
        Ok(())
    }
}

fn numbers(major: u32, minor: u32) -> String {
    [&decimal(major.into()), ":", &decimal(minor.into())].concat()
}

fn weight_in_range(weight: u16, place: Place) -> Result<u64> {
    if (10..=1000).contains(&weight) {
        Ok(weight.into())
    } else {
        Err(Error::bad(place, "must be between 10 and 1000"))
    }
}

/// v1's 10 to 1000 on v2's scale of 1 to 10000, by a straight line.
fn cost_weight(weight: u64) -> u64 {
    1 + (weight.saturating_sub(10)) * 9999 / 990
}
