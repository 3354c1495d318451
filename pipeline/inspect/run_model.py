"""The model that a run was made with, found again."""

from maccap.bundle import Bundle
from pipeline.run.facts import RunFacts
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe
from pipeline.storage.urls import absolute


def model_of(facts: RunFacts, model: str | None) -> Bundle:
    """The run's bundle, at `model` if that is given. Raises UserError where it is gone or another."""
    place = absolute(model) if model else facts.model
    try:
        bundle = Bundle.open(place)
        found = bundle.fingerprint
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the run's model {place} cannot be opened: {describe(error)}. "
            "Say where it lies now with --model."
        ) from None
    if found != facts.model_fingerprint:
        raise UserError(
            f"model {place} is another than the run's (fingerprint {found[:12]}, the run has "
            f"{facts.model_fingerprint[:12]}). Name the run's own with --model."
        )
    return bundle
