"""Cities by name, for whoever needs somewhere to walk: discs around their middles, no maps."""

from __future__ import annotations

from overworld.app.demo.city import City

CITIES = {
    "berlin": City(52.5170, 13.3889, 9_000.0),
    "cairo": City(30.0444, 31.2357, 9_000.0),
    "lagos": City(6.5244, 3.3792, 9_000.0),
    "ljubljana": City(46.0569, 14.5058, 4_500.0),
    "london": City(51.5072, -0.1276, 10_000.0),
    "mexico-city": City(19.4326, -99.1332, 10_000.0),
    "mumbai": City(19.0760, 72.8777, 9_000.0),
    "new-york": City(40.7580, -73.9855, 10_000.0),
    "paris": City(48.8566, 2.3522, 7_000.0),
    "sao-paulo": City(-23.5505, -46.6333, 10_000.0),
    "seoul": City(37.5665, 126.9780, 10_000.0),
    "suva": City(-18.1416, 178.4419, 4_000.0),
    "sydney": City(-33.8688, 151.2093, 9_000.0),
    "tokyo": City(35.6812, 139.7671, 12_000.0),
}
