"""For tests, of this project and of its users: doors that say what they are told, and a server that misbehaves.

`faults.FaultServer` stands for a provider; `ScriptedLM` and `FixedRetriever` need no model, no index and no network.
"""

from dsp.testing.scripted import FixedRetriever, ScriptedLM

__all__ = ["FixedRetriever", "ScriptedLM"]
