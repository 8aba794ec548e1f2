"""A decoder in plain torch for what vLLM cannot do: steering by hidden states, and soft embeddings fed back.

One sequence at a time, one token a step: for studies of a few hundred problems with small models. Nothing outside
imports it before it is asked for, so that torch and transformers stay out of every other process.
"""
