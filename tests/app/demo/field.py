"""A city with walkers and coins and no server: windows of coins as the shipped game spawns them."""

from __future__ import annotations

import heapq
import math
from random import Random

from overworld.app.demo.city import City, Place
from overworld.app.demo.walker import LOOK_M, Lying, Walker, Wish

LJUBLJANA = City(46.0569, 14.5058, 4_500)
COINS_PER_KM2 = 50.4
WINDOW_S = 1_800
REACH_M = 50.0


class Field:
    """Steps walkers in the order of time. `taken` are the times at which coins were taken, and by whom."""

    def __init__(
        self, *, walkers: int, seed: int = 1, city: City = LJUBLJANA, coins_per_km2: float = COINS_PER_KM2
    ) -> None:
        self.city = city
        self.walkers = [
            Walker(city, random=Random(f"{seed}-{number}"), among=walkers, reach_m=REACH_M, now_s=0.0)
            for number in range(walkers)
        ]
        self.taken: list[tuple[float, int]] = []
        self.left: list[int] = []
        self.looks = 0
        self._coins_per_km2 = coins_per_km2
        self._random = Random(seed)
        self._lying: dict[str, Lying] = {}
        self._window = -1
        self._due = [(number / walkers, number) for number in range(walkers)]

    def run(self, until_s: float) -> None:
        """Everybody walks until a time."""
        while self._due[0][0] < until_s:
            now_s, number = heapq.heappop(self._due)
            self.turn_window(now_s)
            walker = self.walkers[number]
            self._do(walker.step(now_s), number, now_s)
            heapq.heappush(self._due, (now_s + walker.pause_s(), number))

    def turn_window(self, now_s: float) -> None:
        """Spawns the coins of a new window, some beyond the city's edge too."""
        window = int(now_s // WINDOW_S)
        if window == self._window:
            return
        self.left.append(sum(self.city.holds(one.place) for one in self._lying.values()))
        self._window = window
        wide = City(self.city.lat_deg, self.city.lng_deg, self.city.radius_m + LOOK_M)
        count = round(self._coins_per_km2 * wide.area_km2)
        coins = [Lying(f"{window}-{i}", wide.somewhere(self._random), (window + 1) * WINDOW_S) for i in range(count)]
        self._lying = {coin.id: coin for coin in coins}

    def around(self, place: Place) -> list[Lying]:
        """What a look shows."""
        return [one for one in self._lying.values() if math.dist(one.place, place) <= LOOK_M]

    def _do(self, wish: Wish, number: int, now_s: float) -> None:
        walker = self.walkers[number]
        if wish is Wish.LOOK:
            self.looks += 1
            walker.sees(self.around(walker.shown), within_m=LOOK_M)
        elif wish is Wish.CLAIM:
            assert walker.target is not None
            if self._lying.pop(walker.target.id, None) is None:
                walker.lost(walker.target.id)
            else:
                walker.took()
                self.taken.append((now_s, number))
