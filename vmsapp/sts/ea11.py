"""EncryptionAlgorithm 11, MISTY1: a 64-bit block cipher with a key of 128 bits, 8 rounds.

The block is two halves of 32 bits. A round xors into one half what ``FO`` makes of the other;
before each pair of rounds, and after the last, ``FL`` mixes each half with the key. ``FO`` is
three times ``FI``, which works on 16 bits with two tables, one of 9 bits (S9) and one of 7 (S7).

For speed each half of an ``FI`` is one table of 2**16 entries: between its two halves nothing
happens but the xor of a key word. Both are made on first use, in about a tenth of a second.

Source: RFC 2994, "A Description of the MISTY1 Encryption Algorithm"; IEC 62055-41:2018,
"EA11: MISTY1 encryption": the block big end first, no mode, no padding.

>>> key = 0x00112233445566778899AABBCCDDEEFF
>>> f"{encrypt(0x0123456789ABCDEF, key):016X}"
'8B1DA5F56AB3D07C'
>>> f"{decrypt(0x8B1DA5F56AB3D07C, key):016X}"
'0123456789ABCDEF'
"""

from array import array
from functools import cache
from typing import Final, NamedTuple, TypeVar

from vmsapp.sts.errors import FieldRangeError
from vmsapp.sts.fields import require_block

KEY_BITS: Final = 128
WORD_BITS: Final = 16
ROUNDS: Final = 8

_WORD: Final = (1 << WORD_BITS) - 1
_HALF: Final = (1 << 32) - 1


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


S7: Final = _numbers("""
    27 50 51 90 59 16 23 84 91 26 114 115 107 44 102 73
    31 36 19 108 55 46 63 74 93 15 64 86 37 81 28 4
    11 70 32 13 123 53 68 66 43 30 65 20 75 121 21 111
    14 85 9 54 116 12 103 83 40 10 126 56 2 7 96 41
    25 18 101 47 48 57 8 104 95 120 42 76 100 69 117 61
    89 72 3 87 124 79 98 60 29 33 94 39 106 112 77 58
    1 109 110 99 24 119 35 5 38 118 0 49 45 122 127 97
    80 34 17 6 71 22 82 78 113 62 105 67 52 92 88 125
""")

S9: Final = _numbers("""
    451 203 339 415 483 233 251 53 385 185 279 491 307 9 45 211
    199 330 55 126 235 356 403 472 163 286 85 44 29 418 355 280
    331 338 466 15 43 48 314 229 273 312 398 99 227 200 500 27
    1 157 248 416 365 499 28 326 125 209 130 490 387 301 244 414
    467 221 482 296 480 236 89 145 17 303 38 220 176 396 271 503
    231 364 182 249 216 337 257 332 259 184 340 299 430 23 113 12
    71 88 127 420 308 297 132 349 413 434 419 72 124 81 458 35
    317 423 357 59 66 218 402 206 193 107 159 497 300 388 250 406
    481 361 381 49 384 266 148 474 390 318 284 96 373 463 103 281
    101 104 153 336 8 7 380 183 36 25 222 295 219 228 425 82
    265 144 412 449 40 435 309 362 374 223 485 392 197 366 478 433
    195 479 54 238 494 240 147 73 154 438 105 129 293 11 94 180
    329 455 372 62 315 439 142 454 174 16 149 495 78 242 509 133
    253 246 160 367 131 138 342 155 316 263 359 152 464 489 3 510
    189 290 137 210 399 18 51 106 322 237 368 283 226 335 344 305
    327 93 275 461 121 353 421 377 158 436 204 34 306 26 232 4
    391 493 407 57 447 471 39 395 198 156 208 334 108 52 498 110
    202 37 186 401 254 19 262 47 429 370 475 192 267 470 245 492
    269 118 276 427 117 268 484 345 84 287 75 196 446 247 41 164
    14 496 119 77 378 134 139 179 369 191 270 260 151 347 352 360
    215 187 102 462 252 146 453 111 22 74 161 313 175 241 400 10
    426 323 379 86 397 358 212 507 333 404 410 135 504 291 167 440
    321 60 505 320 42 341 282 417 408 213 294 431 97 302 343 476
    114 394 170 150 277 239 69 123 141 325 83 95 376 178 46 32
    469 63 457 487 428 68 56 20 177 363 171 181 90 386 456 468
    24 375 100 207 109 256 409 304 346 5 288 443 445 224 79 214
    319 452 298 21 6 255 411 166 67 136 80 351 488 289 115 382
    188 194 201 371 393 501 116 460 486 424 405 31 65 13 442 50
    61 465 128 168 87 441 354 328 217 261 98 122 33 511 274 264
    448 169 285 432 422 205 243 92 258 91 473 324 502 173 165 58
    459 310 383 70 225 30 477 230 311 506 389 140 143 64 437 190
    120 0 172 272 350 292 2 444 162 234 112 508 278 348 76 450
""")


def encrypt(block: int, key: int) -> int:
    """Encrypt one block.

    Args:
        block: 64 bits.
        key: The decoder key, 128 bits; most significant byte first where it was bytes.

    Raises:
        FieldRangeError: Block or key does not fit its bits; the key is not shown.
    """
    require_block(block)
    keys = _schedule(key)
    left, right = block >> 32, block & _HALF
    for turn in range(0, ROUNDS, 2):
        left, right = _fl(left, keys.fl[turn]), _fl(right, keys.fl[turn + 1])
        right ^= _fo(left, keys.fo[turn])
        left ^= _fo(right, keys.fo[turn + 1])
    return _fl(right, keys.fl[ROUNDS + 1]) << 32 | _fl(left, keys.fl[ROUNDS])


def decrypt(block: int, key: int) -> int:
    """Undo ``encrypt``; same arguments, same errors."""
    require_block(block)
    keys = _schedule(key)
    right = _fl_inverse(block >> 32, keys.fl[ROUNDS + 1])
    left = _fl_inverse(block & _HALF, keys.fl[ROUNDS])
    for turn in range(ROUNDS - 2, -1, -2):
        left ^= _fo(right, keys.fo[turn + 1])
        right ^= _fo(left, keys.fo[turn])
        left, right = _fl_inverse(left, keys.fl[turn]), _fl_inverse(right, keys.fl[turn + 1])
    return left << 32 | right


W = TypeVar("W")
"""A word of a key: a number here, its bit planes in a batch."""

FoKeys = tuple[W, W, W, W, W, W, W]
"""Words in the order ``FO`` takes them: KO1, KI1, KO2, KI2, KO3, KI3, KO4."""


class Schedule(NamedTuple):
    """The words of a key, in the order they are used."""

    fo: list[FoKeys[int]]
    fl: list[tuple[int, int]]


def fo_order(k: list[W], e: list[W], turn: int) -> FoKeys[W]:
    """Pick the words of round ``turn``; ``k`` and ``e`` are the words and their images, twice."""
    return (
        k[turn], e[turn + 5], k[turn + 2], e[turn + 1], k[turn + 7], e[turn + 3], k[turn + 4],
    )  # fmt: skip


def fl_order(k: list[W], e: list[W], turn: int) -> tuple[W, W]:
    """Pick the words of the ``FL`` numbered ``turn``, 0 to 9, in the same way."""
    half = turn // 2
    return (e[half + 2], k[half + 4]) if turn % 2 else (k[half], e[half + 6])


def _schedule(key: int) -> Schedule:
    if type(key) is not int or key >> KEY_BITS:
        raise FieldRangeError("decoder key", None, f"does not fit {KEY_BITS} bits")
    first, second = _fi_tables()
    k = [key >> shift & _WORD for shift in range(KEY_BITS - WORD_BITS, -1, -WORD_BITS)]
    e = [second[first[word] ^ after] for word, after in zip(k, k[1:] + k[:1], strict=True)]
    k, e = k * 2, e * 2  # places are counted on past the end
    fo = [fo_order(k, e, turn) for turn in range(ROUNDS)]
    return Schedule(fo, [fl_order(k, e, turn) for turn in range(ROUNDS + 2)])


def _fo(half: int, keys: FoKeys[int]) -> int:
    first, second = _fi_tables()
    ko1, ki1, ko2, ki2, ko3, ki3, ko4 = keys
    low = half & _WORD
    high = second[first[half >> 16 ^ ko1] ^ ki1] ^ low
    low = second[first[low ^ ko2] ^ ki2] ^ high
    return (low ^ ko4) << 16 | second[first[high ^ ko3] ^ ki3] ^ low


def _fl(half: int, keys: tuple[int, int]) -> int:
    high, low = half >> 16, half & _WORD
    low ^= high & keys[0]
    return (high ^ (low | keys[1])) << 16 | low


def _fl_inverse(half: int, keys: tuple[int, int]) -> int:
    high, low = half >> 16, half & _WORD
    high ^= low | keys[1]
    return high << 16 | low ^ high & keys[0]


@cache
def _fi_tables() -> tuple["array[int]", "array[int]"]:
    """What each 16 bits become before, and after, the key word is xored in.

    Between them the 7 bits stand above the 9, where the key word has its own.
    """
    first, second = array("H"), array("H")
    for word in range(1 << WORD_BITS):
        nine, seven = S9[word >> 7] ^ word & 0x7F, S7[word & 0x7F]
        first.append((seven ^ nine & 0x7F) << 9 | nine)
        second.append(word & 0xFE00 | S9[word & 0x1FF] ^ word >> 9)
    return first, second
