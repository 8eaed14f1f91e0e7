"""Make the sample of the dimuon example: a toy of what a detector at the LHC records, not data of any experiment.

    dimuon.csv    pt1,eta1,phi1,q1,pt2,eta2,phi2,q2      GeV, 1, rad, e; one pair of muons a line

Every pair is the decay of a resonance, or of a continuum that falls with its mass, at rest into two muons in opposite
directions; it is then boosted, smeared by the resolution of a tracker, and kept where the detector would see it. A part
of the continuum has equal charges, as muons that do not belong together have. The seed makes the file reproducible.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEED = 20080728
MUON_MASS = 0.1056584  # GeV
PT_RESOLUTION, ANGLE_RESOLUTION = 0.012, 0.0005
PT_MIN, ETA_MAX = 3.0, 2.4

# mass, full width, scale of the transverse momentum (GeV), pairs in the sample
RESONANCES = {
    "J/psi": (3.0969, 0.0000926, 7.0, 900),
    "psi(2S)": (3.6861, 0.000294, 7.0, 60),
    "Upsilon(1S)": (9.4603, 0.000054, 7.0, 360),
    "Upsilon(2S)": (10.0233, 0.000032, 7.0, 120),
    "Upsilon(3S)": (10.3552, 0.000020, 7.0, 70),
    "Z": (91.1876, 2.4952, 14.0, 1100),
}
CONTINUUM_OPPOSITE, CONTINUUM_EQUAL = 1100, 350
CONTINUUM_RANGE, CONTINUUM_POWER = (2.0, 140.0), 1.5


def main() -> None:
    random = np.random.default_rng(SEED)
    parts = [
        accepted(random, count, lambda n, m=mass, w=width: breit_wigner(random, n, m, w), scale)
        for mass, width, scale, count in RESONANCES.values()
    ]
    count = CONTINUUM_OPPOSITE + CONTINUUM_EQUAL
    continuum = accepted(random, count, lambda n: falling(random, n), 8.0)
    continuum[:CONTINUUM_EQUAL, 7] = continuum[:CONTINUUM_EQUAL, 3]
    pairs = random.permutation(np.concatenate([*parts, continuum]))
    np.savetxt(
        Path(__file__).with_name("dimuon.csv"),
        pairs,
        fmt=["%.4f", "%.5f", "%.5f", "%d"] * 2,
        delimiter=",",
        header="pt1,eta1,phi1,q1,pt2,eta2,phi2,q2",
        comments="",
    )


def accepted(random, count, masses, scale):
    """Return ``count`` pairs that the detector sees."""
    kept = np.empty((0, 8))
    while len(kept) < count:
        pairs = smeared(random, decays(random, masses(4 * count), scale))
        seen = (pairs[:, [0, 4]] > PT_MIN).all(axis=1) & (abs(pairs[:, [1, 5]]) < ETA_MAX).all(axis=1)
        kept = np.concatenate([kept, pairs[seen]])
    return kept[:count]


def breit_wigner(random, count, mass, width):
    """Return masses after a Breit-Wigner curve, without its far tails."""
    masses = mass + 0.5 * width * np.tan(np.pi * (random.random(8 * count) - 0.5))
    return masses[abs(masses - mass) < 12 * width][:count]


def falling(random, count):
    """Return masses after a power law."""
    low, high = (edge ** (1 - CONTINUUM_POWER) for edge in CONTINUUM_RANGE)
    return (low + (high - low) * random.random(count)) ** (1 / (1 - CONTINUUM_POWER))


def decays(random, masses, scale):
    """Let parents of these masses move and decay; return pt, eta, phi, charge of both muons."""
    count = len(masses)
    pt = random.gamma(2.0, scale / 2, count)
    phi = random.uniform(-np.pi, np.pi, count)
    pz = np.hypot(masses, pt) * np.sinh(random.uniform(-2.0, 2.0, count))
    parent = np.stack([pt * np.cos(phi), pt * np.sin(phi), pz])
    cosine, angle = random.uniform(-1, 1, count), random.uniform(-np.pi, np.pi, count)
    sine = np.sqrt(1 - cosine**2)
    momentum = np.sqrt(masses**2 / 4 - MUON_MASS**2)
    own = momentum * np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine])
    energy = np.sqrt(masses**2 + (parent**2).sum(axis=0))
    gamma, along = energy / masses, (parent * own).sum(axis=0) / masses
    muons = [
        own_ + parent / masses * (along_ / (gamma + 1) + masses / 2)
        for own_, along_ in ((own, along), (-own, -along))
    ]
    charge = random.choice([-1.0, 1.0], count)
    return np.stack([*polar(muons[0]), charge, *polar(muons[1]), -charge], axis=1)


def polar(momentum):
    """Return transverse momentum, pseudorapidity and azimuth of Cartesian momenta."""
    pt = np.hypot(momentum[0], momentum[1])
    return pt, np.arcsinh(momentum[2] / pt), np.arctan2(momentum[1], momentum[0])


def smeared(random, pairs):
    """Return what a tracker measures of the true muons."""
    measured = pairs.copy()
    for muon in (0, 4):
        measured[:, muon] *= 1 + PT_RESOLUTION * random.standard_normal(len(pairs))
        measured[:, muon + 1] += ANGLE_RESOLUTION * random.standard_normal(len(pairs))
        azimuth = measured[:, muon + 2] + ANGLE_RESOLUTION * random.standard_normal(len(pairs))
        measured[:, muon + 2] = (azimuth + np.pi) % (2 * np.pi) - np.pi
    return measured


if __name__ == "__main__":
    main()
