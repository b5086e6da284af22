"""How fast is loading? Our tool and the peers on one generated archive, interleaved in one run."""
