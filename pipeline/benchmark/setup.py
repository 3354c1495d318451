"""What one benchmark measures: a bundle on disk, an archive of scenes, decoding, and device."""

from typing import Literal

from maccap.config import Config, DecodingConfig
from maccap.runtime.cgroup_limits import cores
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.sources import plan_source
from pipeline.stages.resources import StageResources
from pipeline.stages.torch_runtime import Precision, TorchRuntime


class Setup(Config):
    """Travels to the processes of the benchmark, which all caption the same archive with the same model."""

    model: str
    source: str  # the archive: a tar for each round, and one more
    warm_up: str  # another of a few images
    work: str  # a folder for what is written
    decoding: DecodingConfig
    gpu: bool
    precision: Precision

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return "cuda" if self.gpu else "cpu"

    @property
    def resources(self) -> StageResources:
        """One process with the whole machine."""
        return StageResources(num_cpus=1, num_gpus=int(self.gpu), torch_threads=cores())

    @property
    def runtime(self) -> TorchRuntime:
        return TorchRuntime(device=self.device, precision=self.precision, threads=cores())

    def job(self) -> CaptionJobConfig:
        """The settings that `maccap caption` would have in its config file."""
        return CaptionJobConfig(decoding=self.decoding.model_dump(), precision=self.precision)

    def stages(self, output: str) -> CaptionStages:
        """The pipeline's stages, writing into the folder `output` of `work`."""
        bundle, config = open_bundle(self.model), self.job()
        facts = run_facts(self.source, plan_source(self.source), self.model, bundle, config, self.precision)
        return CaptionStages(f"{self.work}/{output}", bundle.pixel_spec(), facts, config)

    def tars(self) -> list[str]:
        """The archive's, in order."""
        return [shard.url for shard in plan_source(self.source).shards]


def work_of(source: str) -> list[ShardWork]:
    """What `maccap caption` would read of a tar or a folder of tars."""
    return [ShardWork(shard) for shard in plan_source(source).shards]
