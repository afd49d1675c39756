//! The storage of a database, as the spec says it, and AWS's rules for it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Storage of a database.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.sizeGiB >= oldSelf.sizeGiB").message("storage.sizeGiB only grows: AWS cannot shrink a database's storage"),
    validation = Rule::new("!has(self.maxSizeGiB) || self.maxSizeGiB * 10 >= self.sizeGiB * 11")
        .message("storage.maxSizeGiB is at least a tenth more than storage.sizeGiB: AWS grows storage in steps of that size"),
    validation = Rule::new("!has(self.iops) || (has(self.type) && self.type in ['gp3', 'io1', 'io2'])")
        .message("storage.iops needs storage.type gp3, io1 or io2"),
    validation = Rule::new("!has(self.throughput) || (has(self.type) && self.type == 'gp3')").message("storage.throughput needs storage.type gp3"),
    validation = Rule::new("!has(self.type) || !(self.type in ['io1', 'io2']) || (has(self.iops) && self.sizeGiB >= 100)")
        .message("storage.type io1 and io2 need storage.iops, and storage.sizeGiB of 100 or more"),
    validation = Rule::new("!has(self.type) || self.type != 'gp3' || self.sizeGiB >= 400 || (!has(self.iops) && !has(self.throughput))")
        .message("storage.iops and storage.throughput of gp3 need storage.sizeGiB of 400 or more: below, AWS gives 3,000 IOPS and 125 MiB/s"),
    validation = Rule::new("!has(self.type) || self.type != 'gp3' || !has(self.iops) || self.iops >= 12000").message("storage.iops of gp3 is at least 12000"),
    validation = Rule::new("!has(self.throughput) || self.throughput * 4 <= (has(self.iops) ? self.iops : 12000)")
        .message("storage.throughput is at most a quarter of storage.iops (12000 if absent)"),
    validation = Rule::new("!has(self.type) || !has(self.iops) || !(self.type in ['io1', 'io2']) || (self.iops * 2 >= self.sizeGiB && self.iops <= self.sizeGiB * (self.type == 'io1' ? 50 : 1000))")
        .message("storage.iops is between half of storage.sizeGiB and, for io1, 50 times, for io2, 1000 times it")
)]
pub struct Storage {
    /// Size in GiB, as a floor: what AWS has grown beyond it stays.
    #[serde(default = "size_gib", rename = "sizeGiB")]
    #[schemars(range(min = 20, max = 65536))]
    pub size_gib: i32,
    /// Up to which size in GiB AWS grows the storage by itself when it runs full; not at all if absent.
    #[serde(default, rename = "maxSizeGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 22, max = 65536))]
    pub max_size_gib: Option<i32>,
    /// Kind of storage; AWS's default, and not compared, if absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<StorageType>,
    /// I/O operations a second; AWS's baseline, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1000, max = 256_000))]
    pub iops: Option<i32>,
    /// Throughput of gp3 in MiB a second; AWS's baseline, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 500, max = 4000))]
    pub throughput: Option<i32>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size_gib: size_gib(), max_size_gib: None, type_: None, iops: None, throughput: None }
    }
}

/// Kind of storage.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// General purpose, of the second generation.
    Gp2,
    /// General purpose, of the third.
    Gp3,
    /// Provisioned I/O operations.
    Io1,
    /// Provisioned I/O operations, more durable.
    Io2,
}

impl StorageType {
    /// As AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
        }
    }
}

fn size_gib() -> i32 {
    20
}
