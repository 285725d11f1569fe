"""Loads folders that tercet wrote in Hugging Face transformers and compares outputs.

    cargo run -p tercet-reference --example export -- FOLDER
    python crates/reference/python/check_export.py FOLDER        (needs torch, transformers, safetensors)
"""
import pathlib
import sys

import torch
import transformers
from safetensors.torch import load_file

CLASSES = {
    "gpt2": transformers.GPT2LMHeadModel,
    "bert": transformers.BertForPreTraining,
    "t5": transformers.T5ForConditionalGeneration,
}


def check(folder):
    expected = load_file(folder / "expected.safetensors")
    family = folder.name.split("_")[0]
    model, info = CLASSES[family].from_pretrained(folder, output_loading_info=True)
    names = {kind: sorted(info[kind]) for kind in ("missing_keys", "unexpected_keys") if info[kind]}
    assert not names, f"{folder.name}: {names}"
    inputs = {name: value[None] for name, value in expected.items() if name.endswith("input_ids")}
    beams = expected.pop("beams", None)
    with torch.no_grad():
        output = model.eval()(**inputs)
    for name, value in expected.items():
        if name not in inputs:
            difference = (output[name].flatten() - value).abs().max().item()
            assert difference < 2e-5, f"{folder.name}: {name} differs by {difference}"
            print(f"{folder.name}: {name} differs by at most {difference:.1e}, largest {value.abs().max().item():.2f}")
    if beams is not None:
        settings = dict(num_beams=4, num_return_sequences=4, max_new_tokens=10, length_penalty=0.6, early_stopping=True)
        found = [beam[1:] for beam in model.generate(inputs["input_ids"], do_sample=False, **settings).tolist()]
        # A finished beam is filled up with end ids, or with padding.
        found = [beam[: beam.index(1) + 1] if 1 in beam else beam for beam in found]
        assert sum(found, []) == beams.tolist(), f"{folder.name}: beams {found}, expected {beams.tolist()}"
        print(f"{folder.name}: the same {len(found)} beams, {len(beams)} ids")
    if family != "bert":
        tied = model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
        assert tied == folder.name.endswith("_tied"), f"{folder.name}: tied is {tied}"
        print(f"{folder.name}: output layer {'tied' if tied else 'not tied'}")


for folder in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_dir()):
    check(folder)
