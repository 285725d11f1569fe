"""Times whole optimiser steps of PyTorch and transformers, for `peers`: forward, backward, clipping to norm 1, fused AdamW.

Weights and tokens are random, dropout is the published 0.1. `--precision bf16` is autocast: master weights and optimiser
stay f32. BERT's hidden positions, 15 % of all, are gathered before the vocabulary, as in Google's code.
Prints one line of JSON.
"""

import argparse
import json
import statistics
import time

import torch
from transformers import (
    BertConfig,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

# Layers, width, heads.
SIZES = {"mini": (4, 256, 4), "small": (12, 768, 12), "base": (12, 768, 12)}


def gpt2(size, batch, seq, _):
    layers, width, heads = SIZES[size]
    model = GPT2LMHeadModel(GPT2Config(n_layer=layers, n_embd=width, n_head=heads, use_cache=False))
    ids = torch.randint(model.config.vocab_size, (batch, seq))
    per_token = layers * 24 * width**2 + 2 * width * model.config.vocab_size
    seen = seq * (seq + 1) / 2
    forward = batch * (seq * per_token + layers * 4 * seen * width)
    return model, lambda: model(input_ids=ids, labels=ids).loss, forward


def bert(size, batch, seq, lengths):
    layers, width, heads = SIZES[size]
    config = BertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    model = BertForPreTraining(config)
    vocabulary = config.vocab_size
    ids = torch.randint(5, vocabulary, (batch, seq))
    real = None if lengths is None else (torch.arange(seq)[None] < torch.tensor(lengths)[:, None]).long()
    places = []
    for row, length in enumerate(lengths or [seq] * batch):
        hidden = -(-15 * length // 100)
        places.append(row * seq + torch.randperm(length)[:hidden].sort().values)
    places = torch.cat(places)
    masked, follows = ids.flatten()[places], torch.randint(2, (batch,))
    entropy = torch.nn.functional.cross_entropy

    def loss():
        states, pooled = model.bert(input_ids=ids, attention_mask=real)[:2]
        rows = states.flatten(0, 1)[places]
        words = entropy(model.cls.predictions(rows).float(), masked)
        return words + entropy(model.cls.seq_relationship(pooled).float(), follows)

    encoder = layers * (24 * width**2 * seq + 4 * seq * seq * width)
    head = len(places) * 2 * (width**2 + width * vocabulary)
    return model, loss, batch * encoder + head


def t5(size, batch, seq, _):
    layers, width, heads = SIZES[size]
    config = T5Config(
        num_layers=layers,
        d_model=width,
        num_heads=heads,
        d_kv=64,
        d_ff=4 * width,
        use_cache=False,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    target = seq * 114 // 512
    ids = torch.randint(config.vocab_size, (batch, seq))
    labels = torch.randint(config.vocab_size, (batch, target))
    encoder = seq * 24 * width**2 + 4 * seq * seq * width
    own = target * 24 * width**2 + 4 * (target * (target + 1) / 2) * width
    cross = target * 4 * width**2 + seq * 4 * width**2 + 4 * target * seq * width
    vocabulary = target * 2 * width * config.vocab_size
    forward = batch * (layers * (encoder + own + cross) + vocabulary)
    return model, lambda: model(input_ids=ids, labels=labels).loss, forward


def peak_memory_mb():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=["gpt2", "bert", "t5"], required=True)
    parser.add_argument("--size", choices=list(SIZES), required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--seq", type=int)
    parser.add_argument("--lengths", help="BERT: file of lengths, one a line; padded to the longest of the batch")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    build = {"gpt2": gpt2, "bert": bert, "t5": t5}[args.arch]
    lengths = None
    if args.lengths:
        with open(args.lengths) as lines:
            lengths = [int(line) for line in lines][: args.batch]
    seq = args.seq or max(lengths)
    model, loss, forward = build(args.size, args.batch, seq, lengths)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    compute = loss if args.mode == "eager" else torch.compile(loss, dynamic=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            value = compute()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return value.item()

    for _ in range(2):
        step()
    times, begin = [], time.perf_counter()
    while len(times) < args.steps and (len(times) < 3 or time.perf_counter() - begin < 60):
        start = time.perf_counter()
        last = step()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times)
    line = {
        "peer": f"torch {torch.__version__}",
        "mode": args.mode,
        "step_s": round(seconds, 5),
        "gflop_s": round(3 * forward / seconds / 1e9, 1),
        "peak_rss_mb": round(peak_memory_mb()),
        "loss_end": last,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
