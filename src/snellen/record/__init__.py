"""Record: the meters of a training that another library runs, written into a folder that `snellen diagnose` reads.

    from snellen.record import Recorder
    record = Recorder("recording", model=model, optimizer=optimizer)
    ...
    record.step(loss)                                     # after loss.backward()
    record.epoch(val_loss=0.41, val_accuracy=0.87)        # after the validation

and for libraries with callbacks: `lightning.callback("recording")`, `transformers.callback`, `keras.callback`, `fastai.callback`, and
`ultralytics.attach(model, "recording")`, each in the file of that name.
"""

from __future__ import annotations

from snellen.record.recorder import Recorder

__all__ = ["Recorder"]
