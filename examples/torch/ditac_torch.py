"""ditac's activations in PyTorch, with torch alone: no extension, no other package.

    Marker           stands for an activation while a model is exported to ONNX, by either exporter: a node of the domain com.ditac that says
                     which activation it is. `npx ditac onnx` puts standard operators in its place.
    with_markers     a copy of a model whose DiTAC modules (the released ones, or those below) are markers.
    PlanActivation   evaluates a plan file (`npx ditac compile`) in eager float32 on a CPU, with the bits of ditac's kernels.
    DiTAC            the activation itself in differentiable operations, to be trained: its gradient is the derivative of what it computes.

Works with torch 1.13 and newer.
"""

import copy
import math
import struct

import torch
from torch import nn

DOMAIN = "com.ditac"
#: The package's names of the variants, and those of the released class (`cpab_act_type`).
VARIANTS = ("gelu", "leaky", "ge", "bare", "inf")
RELEASED = {"gelu_cpab": "gelu", "leaky_cpab": "leaky", "ge_cpab": "ge", "cpab": "bare", "inf_cpab": "inf"}


# ---- Exporting ----------------------------------------------------------------------------------------------------------------------------------


class _Symbol(torch.autograd.Function):
    """What the exporter by tracing asks for a node."""

    @staticmethod
    def forward(ctx, x, family, attributes):
        return x.clone()

    @staticmethod
    def symbolic(g, x, family, attributes):
        return g.op(f"{DOMAIN}::{family}", x, **{_typed(key, value): value for key, value in attributes.items()}).setType(x.type())


def _typed(key, value):
    if isinstance(value, str):
        return f"{key}_s"
    first = value[0] if isinstance(value, (list, tuple)) else value
    return f"{key}_f" if isinstance(first, float) else f"{key}_i"


class Marker(nn.Module):
    """While a model is exported: a node com.ditac::<family> with these attributes. Otherwise: `module`, if it is given.

    family: a name of ditac's, 'DiTAC', 'Snake', 'XIELU', …
    prefix: what the names of its tensors begin with in the weights, 'layer1.act.'; default: found by the node's name.
    options: what a state dict does not say, by ditac's names: a=-3.0, b=3.0, variant='gelu'; logScale=True.
    """

    def __init__(self, family="DiTAC", prefix=None, module=None, **options):
        super().__init__()
        self.family = family
        self.module = module
        self.attributes = {} if prefix is None else {"prefix": prefix}
        for key, value in options.items():
            self.attributes[key] = int(value) if isinstance(value, bool) else value

    def forward(self, x):
        if _by_tracing():
            return _Symbol.apply(x, self.family, self.attributes)
        if _by_export():
            return torch.onnx.ops.symbolic(
                f"{DOMAIN}::{self.family}", (x,), attrs=self.attributes, dtype=x.dtype, shape=x.shape, version=1
            )
        if self.module is None:
            raise RuntimeError(f"this {self.family} only stands for an activation while a model is exported")
        return self.module(x)


def _by_tracing():
    return torch.onnx.is_in_onnx_export() and not _by_export()


def _by_export():
    compiler = getattr(torch, "compiler", None)
    return bool(getattr(compiler, "is_exporting", lambda: False)())


def with_markers(model, markers=None):
    """A copy of the model in which activations are markers; export that, with `custom_opsets={"com.ditac": 1}` for the exporter by tracing.

    markers: called with each module's name and the module; returns a Marker, or None. Default: every module with `thetas` and
    `precision_mat` is a DiTAC, whose a, b and variant are the module's.
    """
    replaced = copy.deepcopy(model)
    find = markers or (lambda name, module: _ditac_marker(name, module))
    for name, module in list(replaced.named_modules()):
        marker = find(name, module)
        if marker is None:
            continue
        if name == "":
            return marker
        parent, _, last = name.rpartition(".")
        owner = replaced.get_submodule(parent)
        if isinstance(owner, (nn.Sequential, nn.ModuleList)):
            owner[int(last)] = marker
        else:
            setattr(owner, last, marker)
    return replaced


def _ditac_marker(name, module):
    if not (hasattr(module, "thetas") and hasattr(module, "precision_mat")):
        return None
    kind = getattr(module, "variant", None) or getattr(module, "cpab_act_type", None)
    variant = RELEASED.get(kind, kind)
    if variant not in VARIANTS:
        raise ValueError(f"{name}: unknown variant {kind!r}, expected one of {', '.join((*VARIANTS, *RELEASED))}")
    return Marker("DiTAC", f"{name}." if name else "", module, a=float(module.a), b=float(module.b), variant=variant)


# ---- Plans --------------------------------------------------------------------------------------------------------------------------------------

_MAGIC = b"ditacpln"
_VERSION = 3
_LARGEST = 3.4028234663852886e38
_LEADING = -0x1000
_UNSCALED = 127


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        values = struct.unpack_from(f"<{kind}", self.data, self.at)
        self.at += struct.calcsize(f"<{kind}")
        return values[0] if len(values) == 1 else values

    def floats(self, count):
        self.at += 4 * count
        part = bytearray(self.data[self.at - 4 * count : self.at])
        return torch.frombuffer(part, dtype=torch.float32) if count else torch.empty(0)

    def table(self, segments):
        """Bounds and rows of segments; rows' third numbers hold a scale in their last 8 bits, so they stay bits."""
        bounds, rows, slack = self.floats(segments - 1), self.floats(8 * segments).view(-1, 8), self.floats(segments)
        return bounds, rows, slack


def read_plans(data):
    """The plans of a file, and where channels are: 'channelsFirst' or 'channelsLast'. ValueError if it is not one."""
    reader = _Reader(bytes(data))
    if reader.data[:8] != _MAGIC:
        raise ValueError("not a plan file")
    reader.at = 8
    version, _, layout, count = reader.take("4I")
    if version != _VERSION:
        raise ValueError(f"the plan has version {version}, this reads version {_VERSION}: compile it again")
    plans = []
    for _ in range(count):
        exponent, first, last, segments = reader.take("3iI")
        plan = {"exponent": exponent, "first": first, "last": last}
        specials = reader.floats(5)
        plan.update(zip(("atZero", "below", "above", "low", "high"), specials.split(1)))
        reader.take("8d")
        plan["bounds"], plan["rows"], plan["slack"] = reader.table(segments)
        own = reader.take("I")
        plan["periodic"] = None
        if own:
            ends, period, trend = reader.floats(2), reader.floats(8), reader.floats(3)
            bounds, rows, _ = reader.table(own)
            plan["periodic"] = {
                "from": ends[0], "to": ends[1], "period": period, "trend": trend[0], "trendLow": trend[1],
                "middle": trend[2], "bounds": bounds, "rows": rows,
            }  # fmt: skip
        plan["cells"] = _cells(plan)
        plans.append(plan)
    return plans, ("channelsFirst", "channelsLast")[layout]


def _bits(x):
    return x.contiguous().view(torch.int32)


def _floats(words):
    return words.contiguous().view(torch.float32)


def _single(x):
    """x rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def _coefficient(x):
    return 0.0 if abs(x) < 4.70197740328915e-38 else _single(x)


def _ulp(x):
    return 2.0 ** (max(math.frexp(x)[1] - 1, -126) - 23) if x > 0 else 2.0**-149


def _cells(plan):
    """The grid's quadratics, [cells, 4]; {NaN, 0, 0, 0} where segments answer. Derived in float64 as assembly/cells.ts does."""
    width, first, last = 2.0 ** -plan["exponent"], plan["first"], plan["last"]
    rows = plan["rows"].tolist()
    words = _bits(plan["rows"]).tolist()
    slopes = _floats(_bits(plan["rows"])[:, 2] & _LEADING).tolist()
    slack = plan["slack"].tolist()
    bounds = plan["bounds"].tolist()
    radius = width / 2
    cells = []
    m = 0
    for k in range(first, last + 1):
        centre = k * width
        while m < len(bounds) and bounds[m] <= centre - radius:
            m += 1
        smooth = first < k < last
        end = m
        while end < len(bounds) and bounds[end] <= centre + radius:
            end += 1
            if slack[end] < 0 or bounds[end - 1] < centre + radius:
                smooth = False
        cell = _cell(rows[m], words[m][2] & 0xFF, slopes[m], abs(slack[m]), centre, radius) if smooth else None
        cells.append(cell or (math.nan, 0.0, 0.0, 0.0))
    return torch.tensor(cells, dtype=torch.float32)


def _cell(row, exponent, slope, slack, centre, radius):
    """One cell's quadratic, None if its error would be too large."""
    if exponent == 0:
        return None
    inverse = 2.0 ** (exponent - _UNSCALED)
    u = (centre - row[0]) * inverse
    reach = radius * inverse
    c0, c1, c2, c3, c4 = row[1] + row[3], slope + row[4], row[5], row[6], row[7]
    square = reach * reach
    p0 = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))
    p1 = c1 + u * (2 * c2 + u * (3 * c3 + u * 4 * c4))
    p2 = c2 + u * (3 * c3 + u * 6 * c4)
    p3 = c3 + u * 4 * c4
    p2 += c4 * square
    p0 -= (c4 * square * square) / 8
    p1 += 0.75 * p3 * square
    economised = (abs(c4) * square * square) / 8 + (abs(p3) * square * reach) / 4
    size = abs(u) + reach
    rounded = (
        12 * 2.0**-53 * (abs(c0) + size * (abs(c1) + size * (abs(c2) + size * (abs(c3) + size * abs(c4)))))
    )
    p1 *= inverse
    p2 *= inverse * inverse
    if not (abs(p0) < 1e38 and abs(p1) < 1e38 and abs(p2) < 1e38):
        return None
    h0 = _single(p0)
    low, tilt, bend = _coefficient(p0 - h0), _coefficient(p1), _coefficient(p2)
    polynomial = (
        slack + economised + rounded + abs(p0 - h0 - low) + abs(p1 - tilt) * radius + abs(p2 - bend) * radius * radius
    )
    bend_size = radius * abs(bend)
    slope_size = abs(tilt) + bend_size
    slope_error = 2.0**-24 * (bend_size + slope_size)
    tail = abs(low) + radius * slope_size
    error = polynomial + radius * slope_error + 2.0**-24 * (radius * slope_size + tail)
    least = abs(p0) - radius * slope_size - polynomial
    most = abs(p0) + radius * slope_size + polynomial
    if most < 2.0**-90:
        return (0.0, 0.0, 0.0, 0.0)
    bound = 0.5 + (1.0001 * error) / max(_ulp(least), 2.0**-47 if most < 2.0**-24 else 0)
    if not least > 2.0**-90 or not bound <= 0.98 or not most < 1e38:
        return None
    return (h0, low, tilt, bend)


class PlanActivation(nn.Module):
    """y = f(x) for a plan file, elementwise; one plan for all elements, or one a channel. float32 on a CPU, eager: the bits of ditac's kernels."""

    def __init__(self, data):
        super().__init__()
        self.plans, self.layout = read_plans(data)

    @classmethod
    def from_file(cls, path):
        with open(path, "rb") as file:
            return cls(file.read())

    def forward(self, x):
        if x.dtype != torch.float32:
            raise TypeError(f"a plan needs float32, got {x.dtype}")
        if len(self.plans) == 1:
            return _evaluate(self.plans[0], x.reshape(-1)).view(x.shape)
        axis = x.dim() - 1 if self.layout == "channelsLast" else min(1, x.dim() - 1)
        if x.shape[axis] != len(self.plans):
            raise ValueError(f"axis {axis} of shape {tuple(x.shape)} must be the {len(self.plans)} channels")
        parts = [_evaluate(plan, part.reshape(-1)).view(part.shape) for plan, part in zip(self.plans, x.unbind(axis))]
        return torch.stack(parts, axis)


def _evaluate(plan, x):
    """`activate` in assembly/activation.ts."""
    width = 2.0 ** -plan["exponent"]
    # 31: the kernel counts cells from the table's head on, which decides what is even.
    shift = (2.0**23 + 31 - plan["first"]) * width
    number = torch.nan_to_num(x, nan=-_LARGEST).clamp(plan["first"] * width, plan["last"] * width)
    centre = (number + shift) - shift
    cell = (centre / width).to(torch.int64) - plan["first"]
    u = x - centre
    h0, c0, c1, c2 = (column[cell] for column in plan["cells"].t())
    y = h0 + (c0 + u * (c1 + u * c2))
    left = torch.isnan(y).nonzero().squeeze(1)
    if left.numel():
        y[left] = _by_segments(plan, x[left])
    return y


def _by_segments(plan, x):
    size = _bits(x) & 0x7FFFFFFF
    flushed = torch.where(size < 0x00800000, _floats(_bits(x) & -0x80000000), x)
    v = torch.nan_to_num(flushed).clamp(-_LARGEST, _LARGEST)
    rows = plan["rows"][torch.bucketize(v, plan["bounds"], right=True)]
    y = _polynomial(v - rows[:, 0], rows)
    periodic = plan["periodic"]
    if periodic is not None:
        y = torch.where(v.abs() >= periodic["from"], _periodic(periodic, v), y)
    return _specials(plan, x, size, flushed, y)


def _leading(x):
    return _floats(_bits(x) & _LEADING)


def _parts(rows):
    """Of rows: 1/scale, the slope, and the rest by name."""
    words = _bits(rows[:, 2])
    return _floats((words & 0xFF) << 23), _floats(words & _LEADING), rows[:, 1], rows[:, 3:].unbind(1)


def _polynomial(offset, rows):
    inverse, slope, first, (c0, c1, c2, c3, c4) = _parts(rows)
    u = offset * inverse
    leading = _leading(u)
    tail = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))
    tail = tail - slope * (leading - u)
    y = (first + slope * leading) + tail
    infinite = _floats((_bits(first) & -0x80000000) | 0x7F800000)
    return torch.where(inverse == 0, infinite, y)


def _lost(a, b, s):
    taken = a - s
    return (a - (s + taken)) + (taken - b)


def _periodic(section, x):
    known = x.abs() <= section["to"]
    v = torch.where(known, x, torch.zeros(()))
    total = 0.0
    for part in reversed(section["period"].tolist()):
        total += part
    k = (v * torch.tensor(1 / total, dtype=torch.float32) + 12582912) - 12582912
    p = [k * part for part in section["period"]]
    u3 = ((v - p[0]) - p[1]) - p[2]
    u4 = u3 - p[3]
    u5 = u4 - p[4]
    u6 = u5 - p[5]
    lost = (_lost(u3, p[3], u4) + _lost(u4, p[4], u5)) + _lost(u5, p[5], u6)
    rows = section["rows"][torch.bucketize(u6, section["bounds"], right=True)]
    centre = rows[:, 0]
    offset = u6 - centre
    gone = 0 - lost
    v1 = offset - gone
    v2 = v1 - p[6]
    v3 = v2 - p[7]
    low = (_lost(u6, centre, offset) + _lost(offset, gone, v1)) + (_lost(v1, p[6], v2) + _lost(v2, p[7], v3))
    part = torch.where(known, _wrapped(v3, low, rows), section["middle"])
    leading = _leading(x)
    trend = section["trend"] * (x - leading) + section["trendLow"] * x
    return section["trend"] * leading + (trend + part)


def _wrapped(offset, low, rows):
    inverse, slope, first, (c0, c1, c2, c3, c4) = _parts(rows)
    u = offset * inverse
    leading = _leading(u)
    tail = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))
    tail = tail - slope * ((leading - u) - low * inverse)
    against = 0 - slope * leading
    total = first - against
    return total + (tail + _lost(first, against, total))


def _flush(y, below=0x00800001):
    bits = _bits(y)
    return _floats(torch.where((bits & 0x7FFFFFFF) < below, bits & -0x80000000, bits))


def _specials(plan, x, size, flushed, y):
    negative = _bits(x) < 0
    slope = torch.where(negative, plan["below"], plan["above"])
    at_zero = torch.where(size < 0x00800000, plan["atZero"] != 0, torch.tensor(False))
    near = torch.where(torch.isnan(slope) | at_zero, _flush(y, 0x12800000), slope * flushed)
    y = _flush(torch.where(size < 0x21800000, near, y))
    y = torch.where(size == 0x7F800000, torch.where(negative, plan["low"], plan["high"]), y)
    # The one canonical NaN.
    nan = torch.isnan(x) | torch.isnan(y)
    return _floats(torch.where(nan, torch.tensor(0x7FC00000, dtype=torch.int32), _bits(y)))


# ---- Training -----------------------------------------------------------------------------------------------------------------------------------


def _vertex_basis(tess, zero_boundary):
    """B, [2·tess, d]: slope and offset on every cell of [0, 1] of the fields that are 1/tess at one vertex and 0 at all others."""
    vertices = range(1, tess) if zero_boundary else range(tess + 1)
    basis = torch.zeros(2 * tess, len(vertices), dtype=torch.float64)
    for column, vertex in enumerate(vertices):
        for cell in range(tess):
            left, right = float(cell == vertex) / tess, float(cell + 1 == vertex) / tess
            slope = (right - left) * tess
            basis[2 * cell, column] = slope
            basis[2 * cell + 1, column] = left - slope * cell / tess
    return basis


def _precision(basis, smoothness, variance):
    """P = (BᵀCB + ε·I)⁻¹ of the regulariser θᵀPθ, as the released package has it."""
    rows = basis.shape[0]
    u = torch.linspace(-1, 1, rows, dtype=torch.float64)
    covariance = (rows * variance) ** 2 * torch.exp(-2 * (u[:, None] - u[None, :]).abs() / smoothness)
    inner = basis.t() @ covariance @ basis
    return torch.linalg.inv(inner + 2.0**-23 * torch.eye(inner.shape[0], dtype=torch.float64))


class DiTAC(nn.Module):
    """y = f(x), f made of the CPAB transformation of [a, b] as the variant says (DiTAC, Chelly et al., ECCV 2024).

    The flow is followed from cell to cell in closed form, in differentiable operations: gradients in x and θ are those of the flow, whatever the
    number of parameters. `state_dict()` is one that ditac reads; nothing has to be told.

    channels: θ for each channel, axis 1; 1: one for all.
    """

    def __init__(
        self, tess=10, a=-3.0, b=3.0, variant="gelu", channels=1, lambda_smooth=5.0, lambda_var=2.0, basis=None
    ):
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        if not a < b:
            raise ValueError(f"a must be less than b, got {a} and {b}")
        self.tess, self.a, self.b, self.variant, self.channels = tess, float(a), float(b), variant, channels
        basis = _vertex_basis(tess, variant != "inf") if basis is None else basis.to(torch.float64)
        self.thetas = nn.Parameter(torch.zeros(channels, basis.shape[1]))
        self.register_buffer("precision_mat", _precision(basis, lambda_smooth, lambda_var).to(torch.float32))
        # What a plain state dict lacks: ditac reads these, and a released module passes them over.
        for name, value in (
            ("basis", basis),
            ("interval", torch.tensor([self.a, self.b], dtype=torch.float64)),
            ("variant", torch.tensor([float(VARIANTS.index(variant))])),
            ("lambda", torch.tensor([lambda_smooth, lambda_var], dtype=torch.float64)),
        ):
            self.register_buffer(f"_{name}", value, persistent=False)
            self._added = {**getattr(self, "_added", {}), f"ditac.{name}": f"_{name}"}

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, buffer in self._added.items():
            destination[prefix + name] = getattr(self, buffer).detach()

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name, buffer in self._added.items():
            value = state_dict.pop(prefix + name, None)
            if value is not None and not torch.equal(value, getattr(self, buffer)):
                raise RuntimeError(f"{prefix}{name} of the state dict is another than this module has")
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def velocities(self):
        """At the vertices of [a, b], [channels, tess + 1], float64: displacement a unit of flow."""
        k = torch.arange(self.tess + 1)
        cell = k.clamp(max=self.tess - 1)
        at_vertices = self._basis[2 * cell] * (k.to(torch.float64) / self.tess)[:, None] + self._basis[2 * cell + 1]
        velocity = self.thetas.to(torch.float64) @ at_vertices.t() * (self.b - self.a)
        if self.variant == "inf":
            return velocity
        inside = torch.ones(self.tess + 1, dtype=torch.float64)
        inside[0] = inside[-1] = 0
        return velocity * inside

    def transform(self, x):
        """T(x) in float64, for the whole line: end cells go on."""
        x = x.to(torch.float64)
        velocity = self.velocities()
        if self.channels == 1:
            return _flow(velocity[0], x, self.a, self.b)
        if x.dim() < 2 or x.shape[1] != self.channels:
            raise ValueError(f"axis 1 of shape {tuple(x.shape)} must be the {self.channels} channels")
        parts = [_flow(v, part, self.a, self.b) for v, part in zip(velocity, x.unbind(1))]
        return torch.stack(parts, 1)

    def forward(self, x):
        wide = x.to(torch.float64)
        phi = 0.5 * torch.erfc(wide * -math.sqrt(0.5))
        if self.variant == "inf":
            return self.transform(wide).to(x.dtype)
        inside = (wide >= self.a) & (wide <= self.b)
        t = self.transform(torch.where(inside, wide, torch.full_like(wide, self.a)))
        within = t * phi if self.variant == "gelu" else t
        beyond = {
            "gelu": lambda: wide * phi,
            "ge": lambda: wide * phi,
            "leaky": lambda: torch.where(wide < 0, 0.01 * wide, wide),
            "bare": lambda: wide,
        }[self.variant]()
        return torch.where(inside, within, beyond).to(x.dtype)

    def regularization(self):
        """Σ θᵀPθ over channels; the released package adds 0.1/d of it to the loss."""
        return torch.einsum("ci,ij,cj->", self.thetas, self.precision_mat, self.thetas)


def _relative_exponential(z):
    """(eᶻ - 1)/z, and its derivative at 0 too."""
    small = z.abs() < 1e-5
    safe = torch.where(small, torch.ones_like(z), z)
    return torch.where(small, 1 + z / 2 + z * z / 6, torch.expm1(safe) / safe)


def _relative_logarithm(r):
    """log(1 + r)/r."""
    small = r.abs() < 1e-5
    safe = torch.where(small, torch.ones_like(r), r)
    return torch.where(small, 1 - r / 2 + r * r / 3, torch.log1p(safe) / safe)


def _flow(velocity, x, a, b):
    """Where points are after one unit of time in the field that is linear between vertices. At most one step a cell."""
    cells = velocity.numel() - 1
    width = (b - a) / cells
    vertices = a + torch.arange(cells + 1, dtype=torch.float64) * width
    slopes = (velocity[1:] - velocity[:-1]) / width
    with torch.no_grad():
        cell = ((x - a) / width).floor().clamp(0, cells - 1).long()
    time = torch.ones_like(x)
    y = x
    for _ in range(cells + 1):
        s = slopes[cell]
        v = velocity[cell] + s * (y - vertices[cell])
        forward = v > 0
        exit_vertex = torch.where(forward, cell + 1, cell)
        way_out = vertices[exit_vertex]
        w = velocity[exit_vertex]
        leaves = (v * w > 0) & torch.where(forward, cell < cells - 1, cell > 0)
        # Time to the vertex: distance/v · log(1 + r)/r with r = w/v - 1.
        still = torch.where(leaves, v, torch.ones_like(v))
        ratio = torch.where(leaves, (w - v) / still, torch.zeros_like(v))
        crossing = (way_out - y) / still * _relative_logarithm(ratio)
        leaves = leaves & (crossing < time)
        done = y + v * time * _relative_exponential(s * time)
        y = torch.where(leaves, way_out, done)
        time = torch.where(leaves, time - crossing, torch.zeros_like(time))
        cell = torch.where(leaves, torch.where(forward, cell + 1, cell - 1), cell)
        if not bool(leaves.any()):
            break
    return y
